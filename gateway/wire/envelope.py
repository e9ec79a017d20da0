"""The exchange envelope: header, payload and one signature over both.

Writing gives the unsigned document for ``signature.sign``. Reading takes only what ``signature.verify`` returned, and parses
again: nothing outside the signed bytes is ever looked at.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec
from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.core.model import DIALECT_KINDS, Environment, Header, Kind, Picture
from gateway.core.moments import as_example, read_moment, utc_text
from gateway.settings import ROOT
from gateway.wire.payloads import NAMESPACES, in_version, version_of
from gateway.wire.signature import Verified
from gateway.wire.xml import escape, parse_again


class Envelope(msgspec.Struct, frozen=True):
    """A message whose signature held: its header, its payload element, and the digest (SHA-256, hex) of what was signed."""

    header: Header
    payload: etree._Element
    digest: str
    version: int = 1


def write(header: Header, payload: str, version: int = 1) -> bytes:
    """The unsigned envelope of this version around ``payload`` (XML text with its own namespace declarations)."""
    if header.kind not in DIALECT_KINDS:
        payload = in_version(payload, version)
    optional = ""
    if header.refers_to is not None:
        optional += f"<x:RefersTo>{escape(header.refers_to)}</x:RefersTo>"
    if header.sequence:
        optional += f"<x:Sequence>{header.sequence}</x:Sequence>"
    if header.dialect is not None and header.version is not None:
        optional += f'<x:Schema name="{escape(header.dialect)}" version="{escape(header.version)}"></x:Schema>'
    if header.picture is not None:
        shown = header.picture
        optional += f'<x:Picture as-of="{utc_text(shown.as_of)}" part="{shown.part}" parts="{shown.parts}" scope="{escape(shown.scope)}"></x:Picture>'
    return (
        f'<x:Exchange xmlns:x="{NAMESPACES[version]}"><x:Header><x:Id>{escape(header.id)}</x:Id><x:Kind>{header.kind}</x:Kind>'
        f"<x:Sender>{escape(header.sender)}</x:Sender><x:Receiver>{escape(header.receiver)}</x:Receiver>"
        f"<x:Environment>{header.environment}</x:Environment><x:Created>{utc_text(header.created)}</x:Created>{optional}</x:Header>"
        f"<x:Payload>{payload}</x:Payload></x:Exchange>"
    ).encode()


def claimed_sender(root: etree._Element) -> str:
    """Who the *unverified* document says it is from: only good for choosing whose keys to try.

    Raises ``Refusal`` where the document is no exchange envelope at all.
    """
    _, x = _version(root)
    return root.findtext(f"{x}Header/{x}Sender") or ""


def _version(root: etree._Element) -> tuple[int, str]:
    """Which version of the envelope a document is, and how its names begin. Raises ``Refusal`` for what is none."""
    version = version_of(root)
    if version is None or etree.QName(root).localname != "Exchange":
        raise Refusal(
            Code.ENVELOPE_INVALID,
            "The document is no exchange envelope.",
            value=str(root.tag),
            remedy=f"Send an Exchange element of the namespace {' or '.join(NAMESPACES.values())}.",
        )
    return version, f"{{{NAMESPACES[version]}}}"


@cache
def _schema(version: int) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(ROOT / "schemas" / "exchange" / str(version) / "exchange.xsd"))


#: What libxml2 says of a value: of which element and attribute, and which.
_OF_A_VALUE = re.compile(
    r"Element '(?:\{[^}]*\})?([\w.-]+)'(?:, attribute '([\w.-]+)')?.{0,40}'([^']{1,80})' is not (?:a valid value|accepted)"
)
_SECOND = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
_MOMENT, _WHOLE = re.compile(rf"{_SECOND}(\.\d{{1,6}})?Z", re.ASCII), re.compile(f"{_SECOND}Z", re.ASCII)
#: The attribute that holds whole seconds alone; every other moment of an envelope may have six digits more.
_WHOLE_SECONDS = ("from",)


def _broken(first: etree._LogEntry) -> Refusal:
    """The refusal of an envelope that is not valid: of a moment by example, for its pattern tells a person little."""
    line, found = first.line or None, _OF_A_VALUE.match(first.message[:1_000])
    if found:
        name, value = found[2] or found[1], found[3]
        if example := as_example(value, (_WHOLE if name in _WHOLE_SECONDS else _MOMENT).fullmatch):
            detail = f"The envelope breaks its schema: {name} cannot be {value}; {example}."
            return Refusal(Code.ENVELOPE_INVALID, detail, field=name, value=value, line=line)
    return Refusal(Code.ENVELOPE_INVALID, f"The envelope breaks its schema: {first.message}", line=line)


def read(verified: Verified) -> Envelope:
    """The envelope of a verified message. Raises ``Refusal`` (ENVELOPE_INVALID) when it is not valid against its schema."""
    root = parse_again(verified.content)
    version, x = _version(root)
    schema = _schema(version)
    if not schema.validate(root):
        raise _broken(schema.error_log[0])
    element, payload = root[0], root[1][0]
    if version_of(payload) not in (None, version):
        raise Refusal(Code.ENVELOPE_INVALID, "The payload is of another version than the envelope around it.", field="Payload")
    picture = element.find(f"{x}Picture")
    schema_element = element.find(f"{x}Schema")
    header = Header(
        id=element.findtext(f"{x}Id", ""),
        kind=Kind(element.findtext(f"{x}Kind", "")),
        sender=element.findtext(f"{x}Sender", ""),
        receiver=element.findtext(f"{x}Receiver", ""),
        environment=Environment(element.findtext(f"{x}Environment", "")),
        created=read_moment(element.findtext(f"{x}Created", "")),
        refers_to=element.findtext(f"{x}RefersTo"),
        sequence=int(element.findtext(f"{x}Sequence", "0")),
        dialect=None if schema_element is None else schema_element.get("name"),
        version=None if schema_element is None else schema_element.get("version"),
        picture=None
        if picture is None
        else Picture(
            as_of=read_moment(picture.get("as-of", "")),
            scope=picture.get("scope", "*"),
            part=int(picture.get("part", "1")),
            parts=int(picture.get("parts", "1")),
        ),
    )
    return Envelope(header, payload, verified.digest, version)
