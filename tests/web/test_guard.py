"""Every route names its scope and refuses without it; tokens end when they are said to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from gateway.core.access import Scope
from gateway.core.errors import Refusal
from gateway.store import tokens
from gateway.web.guard import Need
from gateway.web.site import PAGES, ROUTERS
from tests.rig.people import person
from tests.rig.web import WebFixture

#: Whoever speaks here proves himself otherwise, or learns nothing: a partner by its signature, a load balancer by nothing.
OPEN = {("POST", "/exchange"), ("GET", "/healthz"), ("GET", "/readyz")}

#: Of what programs call; pages let in persons who are signed in (tests/web/pages).
ROUTES = [
    (method, route.path, route.dependant)
    for router in ROUTERS
    if router not in PAGES
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in sorted(route.methods or ())
]


def needed(dependant: Dependant) -> Iterator[Scope]:
    for one in dependant.dependencies:
        if isinstance(one.call, Need):
            yield one.call.scope
        yield from needed(one)


def problem(answer: object) -> str:
    code: str = answer.json()["code"]  # type: ignore[attr-defined] # any response
    return code


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFixture]:
    with WebFixture(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.mark.parametrize(("method", "path", "dependant"), ROUTES, ids=[f"{method} {path}" for method, path, _ in ROUTES])
def test_every_route_names_one_scope_and_refuses_without_it(
    method: str, path: str, dependant: Dependant, shared: WebFixture
) -> None:
    scopes = list(needed(dependant))
    if (method, path) in OPEN:
        assert scopes == []
        return
    (scope,) = scopes
    address = re.sub(r"{\w+(:path)?}", "1", path)
    without = shared.client.request(method, address)
    assert (without.status_code, problem(without), without.headers["WWW-Authenticate"]) == (401, "unauthenticated", "Bearer")
    wrong = shared.client.request(method, address, headers=shared.token(*set(Scope) - {scope}))
    assert (wrong.status_code, problem(wrong)) == (403, "forbidden")
    assert scope in wrong.json()["detail"]
    right = shared.client.request(method, address, headers=shared.token(scope))
    assert right.status_code not in (401, 403)


def test_every_documented_route_is_among_them(web: WebFixture) -> None:
    document = web.client.get("/openapi.json").json()
    documented = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert documented == {(method, path.replace(":path}", "}")) for method, path, _ in ROUTES}
    for method, path, dependant in ROUTES:
        operation = document["paths"][path.replace(":path}", "}")][method.lower()]
        assert bool(operation.get("security")) == bool(list(needed(dependant)))


def test_what_is_neither_listed_nor_documented_is_not_there(web: WebFixture) -> None:
    own = {getattr(route, "path", None) for route in web.app.app.routes}  # type: ignore[attr-defined] # FastAPI's
    assert own == {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/static-offline-docs", None}


@pytest.mark.parametrize("presented", ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer aeo_wrong", "bearer\taeo_x", "Bearer \xe9"])
def test_anything_but_a_known_token_is_refused(presented: str, web: WebFixture) -> None:
    answer = web.client.get("/v1/partners", headers={b"Authorization": presented.encode("latin-1")})
    assert answer.status_code == 401
    fast = web.client.get("/v1/eligibility?code=X", headers={b"Authorization": presented.encode("latin-1")})
    assert fast.json() == answer.json()


def test_a_token_ends_at_its_expiry(web: WebFixture) -> None:
    headers = web.token(Scope.CLEARANCE_READ, days=1)
    assert web.client.get("/v1/partners", headers=headers).status_code == 200
    web.later(days=1)
    assert web.client.get("/v1/partners", headers=headers).status_code == 401


def test_a_revoked_token_is_refused_within_the_bound(web: WebFixture) -> None:
    headers = web.token(Scope.CLEARANCE_READ)
    assert web.client.get("/v1/partners", headers=headers).status_code == 200
    (only,) = issued(web)
    with web.node.database.write.begin() as connection:
        tokens.revoke(connection, only.id, at=web.now, by=person("a test"))
    web.now += tokens.STALE + timedelta(milliseconds=1)
    assert web.client.get("/v1/partners", headers=headers).status_code == 401
    with web.node.database.write.begin() as connection, pytest.raises(Refusal):
        tokens.revoke(connection, only.id, at=web.now, by=person("a test"))


def test_only_a_hash_is_kept_and_the_last_use_is_noted_late(web: WebFixture) -> None:
    headers = web.token(Scope.CLEARANCE_READ)
    secret = headers["Authorization"].removeprefix("Bearer ")
    web.client.get("/v1/partners", headers=headers)
    used = web.now
    assert issued(web)[0].last_used is None
    web.later(minutes=2)
    web.client.get("/v1/partners", headers=headers)
    web.node.writer.do(lambda connection: None)
    assert issued(web)[0].last_used == used
    kept = b"".join(path.read_bytes() for path in web.settings.home.glob("gateway.db*"))
    assert secret.encode() not in kept


def test_a_token_has_a_name_a_scope_and_an_end(web: WebFixture) -> None:
    later = web.now + timedelta(days=1)
    for name, scopes, expires in (
        (" ", [Scope.AUDIT_READ], later),
        ("x", [], later),
        ("x", [Scope.AUDIT_READ], web.now),
    ):
        with web.node.database.write.begin() as connection, pytest.raises(Refusal, match="data-invalid"):
            tokens.create(connection, name, scopes, at=web.now, expires=expires, by=person("a test"))


def test_nobody_is_let_in_while_nobody_can_be_known(web: WebFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = web.token(Scope.CLEARANCE_READ)
    assert web.client.get("/v1/partners", headers=headers).status_code == 200
    web.later(seconds=2)
    with web.node.database.write.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE token RENAME TO gone")
    answer = web.client.get("/v1/partners", headers=headers)
    assert (answer.status_code, problem(answer), answer.headers["Retry-After"]) == (503, "busy", "30")


def issued(web: WebFixture) -> list[tokens.Issued]:
    with web.node.database.reading() as connection:
        return tokens.issued(connection)
