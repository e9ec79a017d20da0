"""The whole story, told as it happens: the gateway and three partners in a box, each a process of its own, over real HTTP."""

from __future__ import annotations

import os
import time
import tomllib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console
from rich.padding import Padding

from gateway.cli.common import escape
from gateway.cli.processes import Ready, set_up, sign_in_link
from gateway.core.home import HOME_ZONE
from gateway.operate import people
from gateway.settings import ROOT, Settings

SANDBOX = ROOT / "gateway" / "sandbox"
TITLE = "AEO mutual recognition gateway: the story, told as it happens"
#: How long anything may take before the step counts as failed.
PATIENCE = 30.0


class StepFailed(Exception):
    """A step did not come out as said."""


@dataclass(slots=True)
class Story:
    """What every step has at hand. ``noted`` carries codes from one step to the next."""

    console: Console
    gateway: Ready
    token: str
    boxes: dict[str, Ready]
    story: dict[str, Any]
    http: httpx.Client
    noted: dict[str, str]

    def box(self, part: str) -> tuple[str, Ready]:
        """The partner that plays this part, and its code."""
        iso = self.story[part]
        return iso, self.boxes[iso]

    def drive(self, box: Ready, path: str, **given: Any) -> Any:
        answer = self.http.post(f"{box.url}/box/{path}", **given)
        return answer.json()

    def ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | given.pop("headers", {})
        return self.http.request(method, f"{self.gateway.url}{path}", headers=headers, **given)

    def tell(self, text: str) -> None:
        self.console.print(Padding(text, (0, 0, 0, 3), expand=False), highlight=False)


def expect(condition: object, said: str) -> None:
    if not condition:
        raise StepFailed(said)


def wait_for(what: str, ready: Callable[[], object]) -> Any:
    """The first true value of ``ready``; ``StepFailed`` when it takes too long."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := ready():
            return found
        time.sleep(0.05)
    raise StepFailed(f"{what}: nothing came within {PATIENCE:.0f} seconds")


# The steps. Each docstring is the sentence that is shown.


def full_list(stage: Story) -> None:
    """A partner sends its complete list, signed; the gateway proves, checks and records it, and signs a receipt."""
    iso, box = stage.box("lists")
    made = stage.drive(box, "make-up", params={"count": stage.story["operators"]})["operators"]
    started = time.monotonic()
    answer = stage.drive(box, "list")
    expect(answer["verified"] and answer.get("receipt"), f"{iso} got {answer} and not a receipt it can verify")
    took = time.monotonic() - started
    stage.noted["code"] = made[0]
    point = answer["receipt"].get("checkpoint")
    stage.tell(f"{iso} sent {len(made)} made-up operators; receipt verified by {iso} after {took * 1000:.0f} ms, for the digest")
    stage.tell(
        f"[dim]{answer['receipt']['digest']}[/]" + (f" [dim](journal of {point['size']} entries witnessed)[/]" if point else "")
    )
    suspending, other = stage.box("suspends")
    stage.noted["other"] = stage.drive(other, "make-up", params={"count": 20})["operators"][0]
    answer = stage.drive(other, "list")
    expect(answer["verified"] and answer.get("receipt"), f"{suspending} got {answer} and not a receipt it can verify")
    stage.tell(f"{suspending} sent its list of 20 the same way, in an XML of quite another shape")


def eligible(stage: Story) -> None:
    """Clearance asks about a declared code and gets measures, reasons and the evidence."""
    code = stage.noted["code"]
    answer = _answer(stage, code)
    expect(answer["grant"] and answer["verdict"] == "eligible", f"{code} should be eligible, and is {answer['verdict']}")
    measures = ", ".join(f"{one['measure']} {one['words']['en'].lower()}" for one in answer["measures"])
    stage.tell(f"[green]eligible[/] {escape(code)}: {escape(measures)}")
    evidence = answer["evidence"][0]
    stage.tell(f"[dim]because of message {evidence['message_id']}, received {evidence['received']}[/]")
    typed = f"AEO<{code.lower()}>"
    folded = _answer(stage, typed)
    expect(folded["code"] == code and folded["grant"], f"{typed} should have been understood as {code}")
    stage.tell(f"typed as {escape(typed)} it is understood, and said so: {folded['warnings'][0]['sentence']}")
    near = _answer(stage, code[:-1] + ("0" if code[-1] != "0" else "1"))
    expect(not near["grant"], "a near miss must never be granted")
    stage.tell("one character off, nothing is granted: " + near["reasons"][0]["sentence"])


def suspended(stage: Story) -> None:
    """A partner suspends an operator by an urgent notice; the very next answer says no, and why."""
    iso, box = stage.box("suspends")
    code = stage.noted["other"]
    expect(_answer(stage, code)["grant"], f"{code} should be eligible before the notice")
    answer = stage.drive(box, "notice", json={"code": code, "standing": "suspended"})
    expect(answer["verified"] and answer.get("receipt"), f"{iso} got {answer} and not a receipt")
    after = _answer(stage, code)
    expect(
        not after["grant"] and after["reasons"][0]["code"] == "suspended", f"{code} should be suspended, and is {after['verdict']}"
    )
    stage.tell(
        f"{escape(code)} was eligible; {iso}'s notice came; the next answer: [red]{after['verdict']}[/]. {after['reasons'][0]['sentence']}"
    )


def rectification(stage: Story) -> None:
    """A Chinese enterprise enters rectification; each partner whose arrangement covers it is told in its own XML and acknowledges."""
    enterprises = [dict(one) for one in stage.story["enterprise"]]
    stage.ask("PUT", "/v1/domestic/enterprises", json=enterprises).raise_for_status()
    about = enterprises[0]
    _wait_believed(stage, about["uscc"], "valid")
    today = datetime.now(HOME_ZONE).date().isoformat()
    about |= {"measure_status": "rectifying", "measure_since": today, "ground": "rectification-start"}
    stage.ask("PUT", "/v1/domestic/enterprises", json=[about]).raise_for_status()
    told = _wait_believed(stage, about["uscc"], "suspended")
    for one in told:
        heard = stage.http.get(f"{stage.boxes[one['partner']].url}/box/heard").json()
        body = next(message["body"] for message in heard if message["id"] == one["message_id"])
        expect("rectif" not in body.lower() and about["tier"] not in body, f"{one['partner']} was told the ground or the tier")
        root = body.split("<x:Payload><", 1)[1].split(" ", 1)[0].split(">", 1)[0]
        stage.tell(
            f"{one['partner']} was told in its own <{escape(root)}>: {one['statement']['tin']} suspended; receipt and acceptance are in"
        )
    expect({one["partner"] for one in told} == set(stage.boxes), f"only {[one['partner'] for one in told]} were told")
    stage.tell("nobody was told the ground, the tier, or more fields than its arrangement shares")


def refused(stage: Story) -> None:
    """A message changed on its way and a message from the wrong partner are refused, with a code and a plain sentence."""
    code = stage.noted["other"]
    _, box = stage.box("suspends")
    draft = stage.http.post(f"{box.url}/box/draft", json={"code": code, "standing": "reinstated"}).content
    tampered = stage.drive(box, "raw", content=draft.replace(b"Made-up ", b"Changed ", 1))
    expect(tampered["status"] == 401 and tampered["refusal"]["code"] == "signature-digest", f"the changed message got {tampered}")
    stage.tell(
        f"changed on its way: [red]{tampered['refusal']['code']}[/]. {tampered['refusal']['detail']} {tampered['refusal']['remedy']}"
    )
    _, impostor = stage.box("impostor")
    draft = stage.http.post(f"{impostor.url}/box/draft", json={"code": code, "standing": "reinstated"}).content
    wrong = stage.drive(impostor, "raw", content=draft)
    expect(wrong["status"] == 422 and wrong["refusal"]["code"] == "foreign-operator", f"the wrong partner's message got {wrong}")
    stage.tell(
        f"from the wrong partner: [red]{wrong['refusal']['code']}[/]. {wrong['refusal']['detail']} {wrong['refusal']['remedy']}"
    )
    expect(not _answer(stage, code)["grant"], "a refused message changed a status")


def declaration(stage: Story) -> None:
    """A declaration (WCO Data Model XML, made up) is read, and its AEO parties are answered for."""
    xml = (SANDBOX / "declaration.xml").read_bytes().replace(b"SG123456789012", stage.noted["code"].encode())
    answer = stage.ask("POST", "/v1/declarations/eligibility", content=xml, headers={"Content-Type": "application/xml"}).json()
    expect(answer["answers"], f"the declaration's parties were not answered for: {answer}")
    for one in answer["answers"]:
        colour = "green" if one["grant"] else "yellow"
        reason = "" if one["grant"] else " " + one["reasons"][0]["sentence"]
        stage.tell(f"{one['role']}: {escape(one['declared'])} [{colour}]{one['verdict']}[/].{escape(reason)}")
    expect(any(one["grant"] for one in answer["answers"]), "no party of the declaration was granted anything")


STEPS = (full_list, eligible, suspended, rectification, refused, declaration)


def _answer(stage: Story, code: str) -> dict[str, Any]:
    found: dict[str, Any] = stage.ask("GET", "/v1/eligibility", params={"code": code, "direction": "import"}).json()
    return found


def _wait_believed(stage: Story, uscc: str, standing: str) -> list[dict[str, Any]]:
    def believed() -> list[dict[str, Any]]:
        told = stage.ask("GET", f"/v1/domestic/enterprises/{uscc}/told").json()["told"]
        settled = all(one["statement"]["standing"] == standing and one["received"] and one["outcome"] == "accepted" for one in told)
        return told if settled and len(told) == len(stage.boxes) else []

    found: list[dict[str, Any]] = wait_for(f"every partner told {standing}, with receipt and result", believed)
    return found


def tell_story(settings: Settings, *, once: bool, console: Console) -> int:
    """Tells the story; returns the exit code. After the last step everything stays up until Ctrl-C, unless ``once``."""
    story = tomllib.loads((SANDBOX / "story.toml").read_text("utf-8"))
    console.rule(TITLE)
    with ExitStack() as stack:
        try:
            gateway, token, boxes = set_up(settings, story["boxes"], stack, console)
            stage = Story(console, gateway, token, boxes, story, stack.enter_context(httpx.Client(timeout=60)), {})
            for number, step in enumerate(STEPS, 1):
                console.print(f"\n[bold]{number}. {' '.join((step.__doc__ or '').split())}[/]", highlight=False)
                try:
                    step(stage)
                except (StepFailed, httpx.HTTPError, LookupError, ValueError) as problem:
                    said = escape(str(problem) or repr(problem))
                    console.print(f"\n[red bold]Step {number} ({step.__name__}) did not come out as said:[/] {said}")
                    console.print(f"   The gateway's log: {gateway.log}", highlight=False)
                    return 1
            console.print("\n[green bold]Every step came out as said.[/]")
            if not once:
                _stay(stage, settings)
        except KeyboardInterrupt:
            console.print()
        finally:
            console.print("[dim]Ending the gateway and the boxes ...[/]")
    return 0


def _stay(stage: Story, settings: Settings) -> None:
    url, code = stage.gateway.url, stage.noted["code"]
    command = ".venv/bin/aeo-gateway"
    if home := os.environ.get("AEO_HOME"):
        command = f"AEO_HOME={home} {command}"
    stage.console.print("\nEverything stays up. Try, in another terminal:\n", highlight=False)
    for line in (
        f"curl -s -H 'Authorization: Bearer {stage.token}' '{url}/v1/eligibility?code={code}&direction=import'",
        f"{command} eligible {code}",
        f"{command} eligible {stage.noted['other']} --lang zh",
        f"{command} message list",
        f"{command} partner list",
        f"{command} whoami",
        f"AEO_TOKEN_FILE={settings.home / people.SECOND} {command} whoami   # the second of two people",
    ):
        stage.console.print(f"   {line}", highlight=False, soft_wrap=True, markup=False)
    stage.console.print(f"\n   The API, to read and to try: {url}/docs", highlight=False)
    link = sign_in_link(settings, url)
    stage.console.print(
        f"   The console, for {people.MADE_UP[0]}, once: {link}\n\nCtrl-C ends it.", highlight=False, soft_wrap=True
    )
    while True:
        time.sleep(3600)
