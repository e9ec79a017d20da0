"""What /docs and /openapi.json say: the schemas are made from the very types that are read and written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import msgspec.inspect
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
_HELD = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the answer that the caller has. Where it would be given again the status is 304, without a body.",
    "schema": {"type": "string"},
}
#: What parameters mean that stand in several operations, by their name: a name means one thing.
_PARAMETERS = {
    "after": "Where the answer before ended: its cursor, or its next.",
    "amends": "The moment of the declaration that this one amends: the answer as it was known then stands beside.",
    "as_known_at": "Answered from what was known to us at this moment.",
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
) -> dict[str, Any]:
    """An operation's ``openapi_extra``: the types of its body, its query and its answer; ``media`` of body and answer. ``accepts`` is what
    it answers with 202, where more is needed before it is done, ``partly`` with 207, where some of it was refused. ``limit``: the bytes of
    its body; a message's where it is not said. ``again``: it may be asked again under a key. ``versioned``: its answer has a tag."""
    said: dict[str, Any] = {"responses": {"default": {"description": "A refusal.", "content": {MEDIA_TYPE: _of(Problem)}}}}
    if takes:
        said["requestBody"] = {"required": True, "content": {media[0]: _of(takes, media[0])}} | ({_BYTES: limit} if limit else {})
    if query:
        said["parameters"] = _parameters(query)
    if again:
        said.setdefault("parameters", []).append(_AGAIN)
    if versioned:
        said.setdefault("parameters", []).append(_HELD)
        said["responses"][_UNCHANGED] = {"description": "It is what the caller has already; there is no body."}
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
            **({"description": described["description"]} if "description" in described else {}),
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
        schemas.update(_dated(components))
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"] = _ours(operation["responses"])
                for one in operation.get("parameters", ()):
                    one.setdefault("description", _PARAMETERS.get(one["name"], ""))
                if body := operation.get("requestBody"):
                    body["description"] = f"At most {body.setdefault(_BYTES, limit):,} bytes."
        app.openapi_schema = document
    return app.openapi_schema


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
    bare = kept.get(_UNCHANGED)
    if bare is not None:
        del bare["content"]
    return {status: response for status, response in kept.items() if response is bare or response["content"]}
