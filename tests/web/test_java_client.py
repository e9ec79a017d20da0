"""A client that openapi-generator writes for Java, on the JDK's own HTTP client, calls every operation of a serving gateway.

Over plain HTTP that client offers HTTP/2 in each request (``Upgrade: h2c``), and goes on in HTTP/1.1 when it is not taken up.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import httpx
import pytest

from gateway.sandbox.listen import NOBODY
from tests.rig.demonstrated import PARTNERS, Demonstrated, told_of
from tests.rig.installation import Installation
from tests.rig.machine import REPO, need_tool

pytestmark = [pytest.mark.judge, pytest.mark.process, pytest.mark.long]

GENERATOR = "org.openapitools:openapi-generator-cli:7.10.0"
COPIES = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
#: No code for tests and pages, and none for values that may be null beside being left out.
LEAN = (
    "--global-property",
    "apiTests=false,modelTests=false,apiDocs=false,modelDocs=false",
    "--additional-properties",
    "openApiNullable=false",
)


def run(*command: str | Path, within: Path) -> str:
    made = subprocess.run([*map(str, command)], cwd=within, capture_output=True, text=True, timeout=240)
    assert made.returncode == 0, (made.stdout + made.stderr)[-4000:]
    return made.stdout


def compiled(document: object, home: Path) -> list[str | Path]:
    """The client, and the program that calls it: the command that begins it."""
    (home / "openapi.json").write_text(json.dumps(document), "utf-8")
    maven, java = (need_tool("mvn"), "-q", "-B"), need_tool("java")
    run(*maven, f"{COPIES}:copy", f"-Dartifact={GENERATOR}", f"-DoutputDirectory={home / 'generator'}", within=home)
    (generator,) = (home / "generator").iterdir()
    run(
        java,
        "-jar",
        generator,
        "generate",
        "-g",
        "java",
        "--library",
        "native",
        "-i",
        "openapi.json",
        "-o",
        "client",
        *LEAN,
        within=home,
    )
    run(*maven, "-f", "client/pom.xml", f"{COPIES}:copy-dependencies", f"-DoutputDirectory={home / 'lib'}", within=home)
    sources = [REPO / "tests" / "java" / "Calls.java", *(home / "client" / "src" / "main" / "java").rglob("*.java")]
    (home / "sources").write_text("\n".join(f'"{one}"' for one in sources), "utf-8")
    run(need_tool("javac"), "-nowarn", "-parameters", "-proc:none", "-d", "classes", "-cp", "lib/*", "@sources", within=home)
    return [java, f"-Djava.io.tmpdir={home}", "-cp", "classes:lib/*", "Calls"]


def plan(told: Demonstrated, home: Path) -> Path:
    """What is to be called with what, as the program reads it."""
    steps = []
    for number, one in enumerate(told.askings()):
        body: object = None
        if one.body is not None and one.media == "application/json":
            body = json.loads(one.body)
        elif one.body is not None:
            body = str(home / f"body-{number}")
            Path(str(body)).write_bytes(one.body)
        steps.append({"operation": one.operation, "values": one.values, "body": body})
    (home / "plan.json").write_text(json.dumps(steps), "utf-8")
    return home / "plan.json"


def test_it_calls_every_operation(tmp_path: Path) -> None:
    need_tool("mvn")
    with Installation(tmp_path / "home", PARTNERS, endpoints={"SG": "http://127.0.0.1:9/exchange"}) as installation:
        served = installation.serve(courier=False, environment={"AEO_OIDC_ISSUER": "https://sign-in.example"})
        served.ready()
        with httpx.Client(base_url=served.url, verify=NOBODY, timeout=60) as client:
            told = told_of(installation, client)
            command = compiled(told.document, tmp_path)
            token = told.headers["Authorization"].removeprefix("Bearer ")
            said = run(*command, served.url, token, plan(told, tmp_path), "classes", within=tmp_path).splitlines()
    answers = {operation: answer for operation, _, answer in (line.partition(" ") for line in said)}
    wrong = {operation: answer for operation, answer in answers.items() if not answer.startswith(("200 ", "201 ", "202 "))}
    assert not wrong, "\n".join(f"{operation}: {answer}" for operation, answer in wrong.items())
    assert len(answers) == sum(map(len, told.document["paths"].values()))
