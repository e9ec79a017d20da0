"""What /docs and /openapi.json say: the schemas are made from the very types that are read and written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.store.idempotency import KEPT, KEYS, LONGEST
from gateway.web.problems import MEDIA_TYPE, Problem

#: Who loses an answer and asks again gives both requests the same key (draft-ietf-httpapi-idempotency-key-header-07).
KEY, KEY_FORM = "Idempotency-Key", f"[!-~]{{1,{LONGEST}}}"
_AGAIN = {
    "name": KEY,
    "in": "header",
    "required": False,
    "description": f"Where an answer was lost, the same request is sent again under the same key and answered as the first was, for "
    f"{KEPT // timedelta(hours=1)} hours and a token's latest {KEYS:,} keys. With another request the key is refused.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": f"^{KEY_FORM}$"},
}
#: How many bytes a body may have: no word of JSON Schema or OpenAPI says that.
_BYTES = "x-max-bytes"
#: Of a body of lines, what each is.
LINES, _LINE = "application/x-ndjson", "x-line"
_REF = "#/components/schemas/{name}"
_PLAIN = {
    str: {"type": "string"},
    bytes: {"type": "string", "format": "binary"},
    dict: {"type": "object"},
}
_described: dict[str, type] = {"Problem": Problem}


def bounds(**words: int | str) -> msgspec.Meta:
    """Bounds of a value in words of JSON Schema, which its route keeps itself, with a refusal that says more than the type could."""
    return msgspec.Meta(extra_json_schema=words)


def describe(
    *,
    takes: type | None = None,
    query: type | None = None,
    gives: type | None = None,
    status: int = 200,
    accepts: type | None = None,
    partly: type | None = None,
    media: tuple[str, str] = ("application/json", "application/json"),
    limit: int | None = None,
    again: bool = False,
) -> dict[str, Any]:
    """An operation's ``openapi_extra``: the types of its body, its query and its answer; ``media`` of body and answer. ``accepts`` is what
    it answers with 202, where more is needed before it is done, ``partly`` with 207, where some of it was refused. ``limit``: the bytes of its body; a message's where it is not said.
    ``again``: it may be asked again under a key."""
    said: dict[str, Any] = {"responses": {"default": {"description": "A refusal.", "content": {MEDIA_TYPE: _of(Problem)}}}}
    if takes:
        said["requestBody"] = {"required": True, "content": {media[0]: _of(takes, media[0])}} | ({_BYTES: limit} if limit else {})
    if query:
        said["parameters"] = _parameters(query)
    if again:
        said["parameters"] = [*said.get("parameters", ()), _AGAIN]
    if gives:
        said["responses"][str(status)] = {"description": "Done.", "content": {media[1]: _of(gives, media[1])}}
    if accepts:
        said["responses"]["202"] = {"description": "Not done yet.", "content": {media[1]: _of(accepts)}}
    if partly:
        said["responses"]["207"] = {"description": "Done in part.", "content": {media[1]: _of(partly)}}
    return said


def _of(kind: type, media: str = "") -> dict[str, Any]:
    if kind in _PLAIN:
        return {"schema": _PLAIN[kind]}
    _described[kind.__name__] = kind
    said = {"$ref": _REF.format(name=kind.__name__)}
    # Lines are no JSON together: a client that took them for one object would read nothing. No word of OpenAPI 3.1 says what a line is.
    return {"schema": _PLAIN[bytes] | {_LINE: said} if media == LINES else said}


def _parameters(query: type) -> list[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components([query], ref_template=_REF)
    schema = components[query.__name__]
    _described[query.__name__] = query
    return [
        {
            "name": "party" if name == "parties" else name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": described,
        }
        for name, described in schema["properties"].items()
    ]


def openapi(app: FastAPI, limit: int) -> dict[str, Any]:
    """The whole document, made once. ``limit`` is of the bytes of a message."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        _, components = msgspec.json.schema_components(_described.values(), ref_template=_REF)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for foreign in ("HTTPValidationError", "ValidationError"):
            schemas.pop(foreign, None)
        schemas.update(components)
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"] = _ours(operation["responses"])
                if body := operation.get("requestBody"):
                    body["description"] = f"At most {body.setdefault(_BYTES, limit):,} bytes."
        app.openapi_schema = document
    return app.openapi_schema


def _ours(responses: dict[str, Any]) -> dict[str, Any]:
    """Without what FastAPI supposes of every route: a 422 of its own, and 200 with JSON of any shape."""
    kept = {status: response for status, response in responses.items() if status != "422"}
    for response in kept.values():
        response["content"] = {media: said for media, said in response.get("content", {}).items() if said.get("schema")}
    return {status: response for status, response in kept.items() if response["content"]}
