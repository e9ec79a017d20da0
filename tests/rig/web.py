"""A node that answers over HTTP, in this process: what the tests of routes and of answers drive."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from gateway.clearance.answer import Answers
from gateway.clearance.index import Index
from gateway.core.access import Scope, StaffRole, itself
from gateway.store import principals, tokens
from gateway.store.database import Database
from gateway.web.site import Service, create_app
from tests.rig.node import NodeFixture
from tests.rig.people import person


class WebFixture(NodeFixture):
    """``client`` speaks to the node; nobody is listed yet."""

    def __init__(self, home: Path, isos: Iterable[str] = ("SG", "HK"), database: Database | None = None, **settings: Any) -> None:
        super().__init__(home, isos, database, **settings)
        self.index = Index(self.settings.current_within)
        self.answers = Answers(self.partners, self.index, self.clock, self.settings.domestic_stop_after)
        self.refresh()
        self.index.load((), 0)
        self.index.heard(self.now)
        self.node.committed.on_timelines = self.index.apply
        self.node.committed.on_lists_and_switches = self.answers.refresh
        self.service = Service(node=self.node, answers=self.answers, index=self.index)
        self.app = create_app(self.service)
        self.client = TestClient(self.app, raise_server_exceptions=False)
        self.client.__enter__()  # one event loop for all requests, as a server has

    def close(self) -> None:
        self.client.__exit__()
        super().close()

    def later(self, **span: float) -> None:
        """Later; the index hears a heartbeat."""
        super().later(**span)
        self.index.heard(self.now)

    def refresh(self) -> None:
        with self.database.reading() as connection:
            self.partners.refresh(connection)
            self.answers.refresh(connection)

    def token(self, *scopes: Scope, days: float = 30, name: str = "a test") -> dict[str, str]:
        """The headers of a caller with these scopes."""
        with self.database.write.begin() as connection:
            expires = self.now + timedelta(days=days)
            _, secret = tokens.create(connection, name, scopes, at=self.now, expires=expires, by=person("a test"))
        self.later(seconds=(tokens.STALE * 2).total_seconds())
        return {"Authorization": f"Bearer {secret}"}

    def person(self, name: str, *roles: StaffRole) -> dict[str, str]:
        """The headers of a person of this name, whom nobody else let in; of every role where none is named."""
        with self.database.write.begin() as connection:
            one = next((one for one in principals.listed(connection) if one.name == name), None)
            if one is None:
                one = principals.add_person(connection, name, roles or tuple(StaffRole), by=(), at=self.now)
            expires = self.now + timedelta(days=30)
            _, secret = tokens.personal(connection, one.id, "a test", at=self.now, expires=expires, by=itself("a test"))
        self.later(seconds=(tokens.STALE * 2).total_seconds())
        return {"Authorization": f"Bearer {secret}"}

    def listed(self, iso: str = "SG", count: int = 5) -> list[str]:
        """Has a partner send a complete list of made-up operators; their codes."""
        box = self.boxes[iso]
        box.make_up(count)
        self.send(box.full_list())
        return list(box.operators)

    def send(self, message: bytes) -> None:
        answer = self.client.post("/exchange", content=message, headers={"Content-Type": "application/xml"})
        assert answer.status_code == 200, answer.text
