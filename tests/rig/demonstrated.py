"""The examples of the API's document, as they are sent to a node on which the demonstration's story was told.

What an installation numbers or names by chance is made here, for each operation that needs it, before anything is sent: so every
operation is asked once, in the order of the document, and does what it is for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
from sqlalchemy import Connection, insert

from gateway.core.access import StaffRole, itself
from gateway.core.model import Standing
from gateway.operate.people import MADE_UP
from gateway.sandbox.box import Box
from gateway.store import jobs, principals, tokens
from gateway.store.tables import announced
from tests.rig.enterprises import UNFORESEEN, row
from tests.rig.installation import Installation, now
from tests.rig.keys import demo_key
from tests.rig.node import START
from tests.rig.waiting import until
from tests.rig.web import WebFixture

#: The partners that speak; one that mails spreadsheets, and one with which the exchange ends.
BOXES, OTHERS = ("SG", "HK"), ("AU", "ZA")
PARTNERS = (*BOXES, *OTHERS)
#: A key beside the one that signs.
SPARE = "spare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One operation, and what is asked of it: ``values`` of its parameters by name, and the body as it is sent."""

    operation: str
    method: str
    path: str
    values: Mapping[str, Any]
    media: str | None
    body: bytes | None
    answers: Mapping[str, Any]

    def send(self, client: httpx.Client, headers: Mapping[str, str]) -> httpx.Response:
        given = dict(self.values)
        path = self.path
        for name in [one for one in given if f"{{{one}}}" in path]:
            path = path.replace(f"{{{name}}}", str(given.pop(name)))
        media = {"Content-Type": self.media} if self.media else {}
        return client.request(self.method, path, params=given, content=self.body, headers={**headers, **media})


@dataclass(slots=True)
class Demonstrated:
    """``client`` speaks to a node that knows ``BOXES`` and ``OTHERS``; ``boxes`` are those that speak. ``settle`` has whatever was sent so
    far sealed, and time go on. ``headers`` are the first made-up person's, who sends the examples."""

    client: httpx.Client
    boxes: Mapping[str, Box]
    headers: dict[str, str]
    second: dict[str, str]
    settle: Callable[[], None]
    document: Any = field(init=False)

    def __post_init__(self) -> None:
        self.document = self.client.get("/openapi.json").json()

    # The node.

    def post(self, path: str, given: Any = None, *, who: Mapping[str, str] | None = None, **more: Any) -> Any:
        body = {"json": given} if given is not None else {}
        answer = self.client.post(path, headers={**(who or self.headers), **more.pop("headers", {})}, **body, **more)
        assert answer.status_code < 300, (path, answer.text)
        return answer.json()

    def get(self, path: str, **query: str) -> Any:
        answer = self.client.get(path, params=query, headers=self.headers)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    def exchange(self, message: bytes) -> None:
        answer = self.client.post("/exchange", content=message, headers={"Content-Type": "application/xml"})
        assert answer.status_code == 200, answer.text
        self.settle()

    def feed(self, *rows: Mapping[str, Any]) -> None:
        answer = self.client.put("/v1/domestic/enterprises", json=rows, headers=self.headers)
        assert answer.status_code == 200, answer.text

    def text(self, path: str) -> bytes:
        """The example of a body that is no JSON."""
        (operation,) = (one for method, one in self.document["paths"][path].items() if method != "get")
        (said,) = operation["requestBody"]["content"].values()
        return str(said["example"]).encode()

    # What the examples are sent to.

    def tell(self) -> None:
        """The story, as far as examples speak of it: lists, a notice, an enterprise."""
        for box in self.boxes.values():
            box.make_up(10)
            self.exchange(box.full_list())
        code = next(iter(self.boxes["HK"].operators))
        self.exchange(self.boxes["HK"].status_message(code, Standing.SUSPENDED))
        self.exchange(self.boxes["HK"].status_message(code, Standing.REINSTATED))
        put = self.client.put(
            "/v1/domestic/enterprises",
            content=self.text("/v1/domestic/enterprises"),
            headers=self.headers | {"Content-Type": "application/x-ndjson"},
        )
        assert put.status_code == 200, put.text

    def askings(self) -> Iterator[Asking]:
        """Every operation of the document with its examples, in its order; what was made beforehand in their place."""
        made, bodies = self._made(), self._bodies()
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                name = f"{method.upper()} {path}"
                values = {
                    one["name"]: one["example"] for one in operation["parameters"] if one["in"] != "header" and "example" in one
                }
                wanted = {one["name"] for one in operation["parameters"] if one.get("required")}
                assert wanted <= set(values), f"{name} has no example of {wanted - set(values)}"
                media = body = None
                if "requestBody" in operation:
                    ((media, said),) = operation["requestBody"]["content"].items()
                    example = bodies.get(name, said["example"])
                    body = example if isinstance(example, bytes) else _written(media, example)
                yield Asking(
                    operation=operation["operationId"],
                    method=method.upper(),
                    path=path,
                    values=values | made.get(name, {}),
                    media=media,
                    body=body,
                    answers=operation["responses"],
                )

    def _made(self) -> dict[str, dict[str, Any]]:
        """What the numbers and ids of examples stand for here, by operation."""
        messages = self.get("/v1/messages", kind="list", direction="in")["messages"]
        lists = self._held_lists()
        spreadsheets = [self._spreadsheet(name) for name in ("first", "second")]
        transcript = self.post("/v1/transcripts", {"partner": OTHERS[0], "file": "ours.csv"})["message_id"]
        job = self.post("/v1/journal/verify", {})["id"]
        person = self.post("/v1/principals", {"name": "Zhao Liu (made up)", "roles": ["viewer"], "reason": "r"})["person"]["id"]
        other = self.post("/v1/principals", {"name": "Sun Qi (made up)", "roles": ["viewer"], "reason": "r"})["person"]["id"]
        self.post(f"/v1/principals/{other}/account", {"subject": "sun.qi", "reason": "r"})
        token = self.post("/v1/tokens", {"name": "another system", "scopes": ["clearance:read"]})["id"]
        self.post(f"/v1/keys/{SPARE}/rotate", {})
        self.settle()
        return {
            "GET /v1/operators/changes": {"after": self._cursor(), "wait": 0},
            "GET /v1/messages/{message_id}": {"message_id": messages[0]["id"]},
            "GET /v1/messages/{message_id}/evidence": {"message_id": messages[0]["id"]},
            "POST /v1/stops/{number}/lift": {"number": self._stopped()},
            "POST /v1/disruptions/{number}/end": {
                "number": self.post("/v1/disruptions", {"where": "HK", "what": "a strike"})["id"]
            },
            "POST /v1/voids/{number}/confirm": {"number": self._proposed_void()},
            "POST /v1/domestic/held/{number}/confirm": {"number": self._held_record()},
            "POST /v1/lists/{number}/release": {"number": lists["SG"]},
            "POST /v1/lists/{number}/drop": {"number": lists["HK"]},
            "GET /v1/jobs/{number}": {"number": job},
            "GET /v1/jobs/{number}/result": {"number": job},
            "GET /v1/spreadsheets/{number}": {"number": spreadsheets[0]},
            "GET /v1/spreadsheets/{number}/file": {"number": spreadsheets[0]},
            "POST /v1/spreadsheets/{number}/confirm": {"number": spreadsheets[0]},
            "POST /v1/spreadsheets/{number}/discard": {"number": spreadsheets[1]},
            "GET /v1/transcripts/{message_id}": {"message_id": transcript},
            "POST /v1/keys/{name}/drop": {"name": SPARE},
            "POST /v1/principals/{principal}/disable": {"principal": person},
            "POST /v1/principals/{principal}/account/unset": {"principal": other},
            "POST /v1/tokens/{token}/revoke": {"token": token},
        }

    def _bodies(self) -> dict[str, Any]:
        """Bodies that are of a message of this very installation."""
        notices = self.get("/v1/messages", kind="notice", direction="in", partner="HK")["messages"]
        return {
            "POST /v1/voids": {"message": notices[0]["id"], "reason": "sent by mistake, as the partner says"},
            "POST /exchange": self.boxes["SG"].status_message(next(iter(self.boxes["SG"].operators)), Standing.SUSPENDED),
        }

    def _held_lists(self) -> dict[str, int]:
        """Each box leaves out half of its operators, which is too many at once."""
        for box in self.boxes.values():
            for code in list(box.operators)[5:]:
                del box.operators[code]
            self.exchange(box.full_list())
        return {one["partner"]: one["id"] for one in self.get("/v1/lists/held")["held"]}

    def _spreadsheet(self, name: str) -> int:
        """The example under another name; the very same file is proposed once."""
        query = {"partner": OTHERS[0], "file": "list.csv", "as_of": "2026-06-01", "reason": "r"}
        body, media = self.text("/v1/spreadsheets").replace(b"Made-up", name.encode()), {"Content-Type": "application/octet-stream"}
        found = self.post("/v1/spreadsheets", params=query, content=body, headers=media, who=self.second)
        number: int = found["transcription"]["id"]
        return number

    def _cursor(self) -> str:
        lines = self.client.get("/v1/operators/snapshot", headers=self.headers).text.splitlines()
        cursor: str = json.loads(lines[-1])["cursor"]["cursor"]
        return cursor

    def _stopped(self) -> int:
        number: int = self.post("/v1/stops", {"what": "arrangement", "subject": "HK", "reason": "r"})["id"]
        return number

    def _proposed_void(self) -> int:
        notices = self.get("/v1/messages", kind="notice", direction="in", partner="HK")["messages"]
        asked = {"message": notices[-1]["id"], "reason": "r"}
        number: int = self.post("/v1/voids", asked, who=self.second)["void"]["id"]
        return number

    def _held_record(self) -> int:
        self.feed(row(9, tier="general-compliance", certified_on=None))
        self.feed(row(9, **UNFORESEEN))
        (one,) = self.get("/v1/domestic/held")["held"]
        number: int = one["id"]
        return number


def _written(media: str, example: Any) -> bytes:
    return (json.dumps(example) if media == "application/json" else str(example)).encode()


def people(connection: Connection, at: datetime) -> list[dict[str, str]]:
    """The headers of the two made-up persons of the demonstration, of whom the first made the second known, as in an installation."""
    found: list[dict[str, str]] = []
    roles, who = (StaffRole.ADMINISTRATOR, StaffRole.APPROVER, StaffRole.AUDITOR), itself("a test")
    for name in MADE_UP:
        one = principals.add_person(connection, name, roles, by=(), at=at, exempt=bool(found))
        _, secret = tokens.personal(connection, one.id, "a test", at=at, expires=at + timedelta(days=30), by=who)
        found.append({"Authorization": f"Bearer {secret}"})
    return found


def told_here(web: WebFixture) -> Demonstrated:
    """The story on a node in this process, of ``PARTNERS``; a job is done as soon as time goes on."""
    web.bind("SG", endpoint="https://sg.example/exchange")
    web.node.settings = web.settings.model_copy(update={"oidc_issuer": "https://sign-in.example"})
    demo_key(web.keys, SPARE, START)
    with web.database.write.begin() as connection:
        first, second = people(connection, web.now)
        for iso in BOXES:
            (pin,) = web.node.trust.trust_of(iso).pins
            values = {"fingerprint": pin.fingerprint, "certificate": pin.der, "since": START, "message_id": "m", "proven": True}
            connection.execute(insert(announced).values(role="signing", partner=iso, **values))

    def finish(connection: Connection) -> None:
        if one := jobs.take(connection, ("journal-verify",), "here", now=web.now, until=web.now):
            jobs.finish(connection, one, at=web.now, sentence="It is done.", body=b'{"fault":null}')

    def settle() -> None:
        web.later(minutes=1)
        web.seal()
        web.do(finish)

    settle()
    made = Demonstrated(web.client, {iso: web.boxes[iso] for iso in BOXES}, first, second, settle)
    made.tell()
    return made


def told_of(installation: Installation, client: httpx.Client) -> Demonstrated:
    """The story on a node that serves, of ``PARTNERS``, without a courier."""
    since = now()
    demo_key(installation.settings.keys, SPARE, since)
    with installation.opened() as database, database.write.begin() as connection:
        first, second = people(connection, since)

    def settled() -> bool:
        answer = client.get("/v1/jobs", headers=first).json()
        return not installation.left().get("to be sealed") and all(one["state"] == "done" for one in answer["jobs"])

    def settle() -> None:
        until(settled, "something is still to be sealed, or to be done")

    made = Demonstrated(client, {iso: installation.boxes[iso] for iso in BOXES}, first, second, settle)
    made.tell()
    return made
