"""Against the JDK's javax.xml.crypto (tests/java/Profile.java): both ways, for every algorithm of the profile."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.wire.algorithms import ALGORITHMS
from tests.rig.machine import REPO, need_tool
from tests.wire.differential.documents import DOCUMENTS, assert_verifies_here, key_of, ours, uris, write_keys

pytestmark = pytest.mark.process

#: KeyFactory names by the name of the key.
KINDS = {"p256": "EC", "p384": "EC", "ed25519": "Ed25519", "rsa-3072": "RSA"}


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classes")
    subprocess.run([need_tool("javac"), "-d", folder, REPO / "tests" / "java" / "Profile.java"], check=True)
    return folder


def jdk(classes: Path, folder: Path, commands: list[list[str]]) -> list[str]:
    """One process for all commands: starting the JVM takes longer than a hundred signatures."""
    lines = folder / "commands"
    lines.write_text("".join("\t".join(command) + "\n" for command in commands))
    run = subprocess.run([need_tool("java"), "-cp", classes, "Profile", lines], capture_output=True, text=True, check=True)
    return run.stdout.splitlines()


def test_what_we_sign_verifies_there_and_what_was_changed_does_not(classes: Path, tmp_path: Path) -> None:
    commands, expected = [], []
    for algorithm in sorted(ALGORITHMS):
        der = str(write_keys(tmp_path, key_of(algorithm))["der"])
        for name, unsigned in DOCUMENTS.items():
            signed = ours(algorithm, unsigned)
            for verdict, data in (("valid", signed), ("invalid", signed.replace(b"Quay", b"Key"))):
                if verdict == "valid" or data != signed:
                    file = tmp_path / f"{algorithm} {name} {verdict}.xml"
                    file.write_bytes(data)
                    commands.append(["verify", str(file), der])
                    expected.append(f"{verdict} {file.name}")
    answers = jdk(classes, tmp_path, commands)
    assert [f"{answer} {Path(command[1]).name}" for answer, command in zip(answers, commands, strict=True)] == expected


def test_what_is_signed_there_verifies_here(classes: Path, tmp_path: Path) -> None:
    commands, wanted = [], []
    for algorithm in sorted(ALGORITHMS):
        files = write_keys(tmp_path, key_of(algorithm))
        for name, unsigned in DOCUMENTS.items():
            before, after = tmp_path / f"{name}.xml", tmp_path / f"{algorithm} {name} signed.xml"
            before.write_bytes(unsigned)
            kind = KINDS[key_of(algorithm)]
            commands.append(["sign", str(before), str(files["pk8"]), kind, str(files["der"]), *uris(algorithm), str(after)])
            wanted.append((algorithm, unsigned, after))
    assert jdk(classes, tmp_path, commands) == ["signed"] * len(commands)
    for algorithm, unsigned, after in wanted:
        assert_verifies_here(after.read_bytes(), algorithm, unsigned)
