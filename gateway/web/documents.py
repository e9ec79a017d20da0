"""What /docs and /openapi.json say: the schemas are made from the very types that are read and written."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
import msgspec.inspect
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.store.idempotency import KEPT, KEYS, LONGEST
from gateway.web import examples
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
    "example": "d3c0a6b2-1f9e-4b6a-9a53-0f2f3c1e7a10",
}
_HELD = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the answer that the caller has. Where it would be given again the status is 304, without a body.",
    "schema": {"type": "string"},
}
#: By which every request is found again (``http/tracing.py``).
_TRACED = (
    {
        "name": "X-Request-Id",
        "in": "header",
        "required": False,
        "description": "By which this request is found in our log, and in the caller's. Another, or none, is replaced by one of ours.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:=+/@-]{1,128}$"},
        "example": "7f3a5c1e-9a54-4c1e-8a0e-0d2b6c1f4e11",
    },
    {
        "name": "traceparent",
        "in": "header",
        "required": False,
        "description": "The trace of which this request is a part (W3C Trace Context).",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$"},
        "example": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    },
)


def _header(description: str, example: str, *, always: bool = False) -> dict[str, Any]:
    return {"description": description, "required": always, "schema": {"type": "string"}, "example": example}


#: What answers carry beside their body.
_HEADERS = {
    "X-Request-Id": _header("The request's own, or one of ours.", "7f3a5c1e-9a54-4c1e-8a0e-0d2b6c1f4e11", always=True),
    "traceparent": _header(
        "The request's own, where it had one (a new one where that could not be read).",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    "RateLimit-Policy": _header("How many codes the caller may ask (q) in how many seconds (w).", '"codes";q=20000;w=1'),
    "RateLimit": _header(
        "How many codes are left to it (r), and in how many seconds all of them are again (t).", '"codes";r=19999;t=1'
    ),
    "Retry-After": _header("In how many seconds the same may be asked again; left out: it would be refused again.", "30"),
    "ETag": _header("The answer's version, to be given as If-None-Match.", '"9f86d081884c7d65"'),
}
_ALWAYS, _RATE = ("X-Request-Id", "traceparent"), ("RateLimit-Policy", "RateLimit")
#: What parameters mean that stand in several operations, by their name: a name means one thing.
_PARAMETERS = {
    "after": "Where the answer before ended: its cursor, or its next.",
    "amends": "The moment of the declaration that this one amends: the answer as it was known then stands beside.",
    "as_known_at": "Answered from what was known to us at this moment (2026-06-15T04:00:00Z).",
    "code": "A foreign AEO's code as it was declared, however it was typed.",
    "direction": "Import or export; left out, both are answered.",
    "identity": "An enterprise's USCC or customs code.",
    "iso": "The partner's code, of two letters.",
    "lang": "The language of sentences; left out, this installation's.",
    "manifest": "What the manifest gives for the same party.",
    "message_id": "The message's id; intake-N of one that was refused.",
    "mode": "The mode of transport.",
    "most": "How many at the most.",
    "name": "The declared name, where there is one.",
    "number": "The number under which lists show it.",
    "on": "The day on which the declaration is accepted, in China; left out, today.",
    "principal": "The person's id, or name.",
    "token": "The token's id, as the list of tokens shows it.",
    "wait": "Seconds to wait for news where there are none yet.",
    "party": "A domestic party, by USCC or customs code; may stand several times.",
    "role": "The party that the code stands for.",
    "within": "How many days ahead.",
}
_UNCHANGED = "304"
_INT32 = 2**31 - 1
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
    versioned: bool = False,
    limited: bool = False,
) -> dict[str, Any]:
    """An operation's ``openapi_extra``: the types of its body, its query and its answer; ``media`` of body and answer. ``accepts`` is what
    it answers with 202, where more is needed before it is done, ``partly`` with 207, where some of it was refused. ``limit``: the bytes of
    its body; a message's where it is not said. ``again``: it may be asked again under a key. ``versioned``: its answer has a tag.
    ``limited``: its answer says what is left to the caller."""
    refused = {"description": "A refusal.", "headers": _named("Retry-After", *_RATE), "content": {MEDIA_TYPE: _of(Problem)}}
    said: dict[str, Any] = {"responses": {"default": refused}}
    if takes:
        said["requestBody"] = {"required": True, "content": {media[0]: _of(takes, media[0])}} | ({_BYTES: limit} if limit else {})
    if query:
        said["parameters"] = _parameters(query)
    if again:
        said.setdefault("parameters", []).append(_AGAIN)
    if versioned:
        said.setdefault("parameters", []).append(_HELD)
        said["responses"][_UNCHANGED] = {
            "description": "It is what the caller has already; there is no body.",
            "headers": _named("ETag"),
        }
    if gives:
        told = _named(*(("ETag",) if versioned else ()), *(_RATE if limited else ()))
        said["responses"][str(status)] = {"description": "Done.", "headers": told, "content": {media[1]: _of(gives, media[1])}}
    if accepts:
        said["responses"]["202"] = {"description": "Not done yet.", "content": {media[1]: _of(accepts)}}
    if partly:
        said["responses"]["207"] = {"description": "Done in part.", "content": {media[1]: _of(partly)}}
    return said


def _named(*headers: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in headers}


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
            **({"description": described["description"]} if "description" in described else {}),
            "schema": described,
        }
        for name, described in schema["properties"].items()
    ]


def openapi(app: FastAPI, limit: int, now: datetime) -> dict[str, Any]:
    """The whole document, made once. ``limit`` is of the bytes of a message; examples of days begin at ``now``."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        _, components = msgspec.json.schema_components(_described.values(), ref_template=_REF)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for foreign in ("HTTPValidationError", "ValidationError"):
            schemas.pop(foreign, None)
        schemas.update(_dated(components))
        document["components"]["headers"] = _HEADERS
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"] = _ours(operation["responses"])
                for one in operation.setdefault("parameters", []):
                    one.setdefault("description", _PARAMETERS.get(one["name"], ""))
                    if (example := examples.of_parameter(path, one["name"], now)) is not None:
                        one["example"] = example
                operation["parameters"] += _TRACED
                if body := operation.get("requestBody"):
                    body["description"] = f"At most {body.setdefault(_BYTES, limit):,} bytes."
                    for said in body["content"].values():
                        said["example"] = examples.of_body(path, said["schema"].get("$ref", "").rpartition("/")[2], now)
        _wide(document)
        app.openapi_schema = document
    return app.openapi_schema


def _wide(said: Any) -> None:
    """Says of each whole number with no bound within 32 bits that it has 64: of a database's bytes, say, a Java client would read no more."""
    if isinstance(said, list):
        for one in said:
            _wide(one)
    elif isinstance(said, dict):
        if said.get("type") == "integer" and said.get("maximum", _INT32 + 1) > _INT32:
            said.setdefault("format", "int64")
        for one in said.values():
            _wide(one)


def _dated(components: dict[str, Any]) -> dict[str, Any]:
    """With each moment as ``date-time``: msgspec says it only of a type that demands a zone, and none of ours is without one."""
    infos = msgspec.inspect.multi_type_info(_described.values())
    seen: set[type] = set()

    def walk(info: Any, schema: dict[str, Any]) -> None:
        match info:
            case msgspec.inspect.Metadata():
                walk(info.type, schema)
            case msgspec.inspect.DateTimeType():
                schema.setdefault("format", "date-time")
            case msgspec.inspect.UnionType():
                for one in info.types:
                    texts = [said for said in schema.get("anyOf", ()) if said.get("type") == "string" and "format" not in said]
                    walk(one, texts[0] if isinstance(one, msgspec.inspect.DateTimeType) and texts else {})
            case msgspec.inspect.DictType():
                walk(info.value_type, schema.get("additionalProperties", {}))
            case msgspec.inspect.ListType() | msgspec.inspect.CollectionType() | msgspec.inspect.VarTupleType():
                walk(info.item_type, schema.get("items", {}))
            case msgspec.inspect.StructType() | msgspec.inspect.TypedDictType() | msgspec.inspect.DataclassType() if (
                info.cls not in seen
            ):
                seen.add(info.cls)
                made = components.get(schema.get("$ref", info.cls.__name__).rpartition("/")[2], {})
                for field in info.fields:
                    walk(field.type, made.get("properties", {}).get(field.encode_name, {}))

    for info in infos:
        walk(info, {})
    return components


def _ours(responses: dict[str, Any]) -> dict[str, Any]:
    """Without what FastAPI supposes of every route: a 422 of its own, and 200 with JSON of any shape."""
    kept = {status: response for status, response in responses.items() if status != "422"}
    for response in kept.values():
        response["content"] = {media: said for media, said in response.get("content", {}).items() if said.get("schema")}
        response.setdefault("headers", {}).update(_named(*_ALWAYS))
    bare = kept.get(_UNCHANGED)
    if bare is not None:
        del bare["content"]
    return {status: response for status, response in kept.items() if response is bare or response["content"]}
