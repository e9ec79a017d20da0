"""An answer that proves nothing, in words for a person: its HTTP status, what came instead of a receipt, and what to look at.

What a proxy, a wrong path or a server that fails answers is a page for people. That it is no XML, or has a document type, says nothing
about what is wrong; its status and its title do.
"""

from __future__ import annotations

import re
from http import HTTPStatus

import msgspec

from gateway.core.text import visible
from gateway.net import Response

#: How much of an answer is looked at, in bytes, and how much of its own words is shown, in characters.
_LOOKED_AT, _SHOWN = 4_096, 120
_HTML = re.compile(rb"\s*(?:<!doctype html|<html)\b", re.IGNORECASE)
_TITLE = re.compile(rb"<title\b[^>]{0,100}>([^<]{1,400})<", re.IGNORECASE)
_ROOT = re.compile(rb"<([A-Za-z_][\w.:-]{0,99})")
_BLANKS = re.compile(r"\s+")
_BOM = b"\xef\xbb\xbf"

#: Of the statuses that say that the request itself is wrong, those that ask for patience all the same (RFC 9110, 15.5.9; RFC 8470, 5.2;
#: RFC 6585, 4).
_PATIENCE = (408, 425, 429)
#: Where to look, by status.
_LOOK = {
    401: "does it ask for a client certificate or a password that this gateway has not?",
    403: "does it let this gateway in, by its address and its client certificate?",
    404: "is the path right?",
    405: "is the path right, and does it take POST?",
    407: "does a proxy on the way ask for a password?",
    410: "is the path right?",
    413: "does it, or a proxy before it, take messages of that size?",
    415: "does it take application/xml?",
    429: "does it ask for patience?",
    502: "a proxy before the partner's gateway does not reach it",
    503: "it is closed for now, or has too much to do",
    504: "a proxy before the partner's gateway waited for it in vain",
}


class _Problem(msgspec.Struct):
    """What of an RFC 9457 problem, or of what resembles one, says what is wrong."""

    code: str = ""
    title: str = ""
    detail: str = ""


class Unproven(Exception):
    """What came back is no receipt or refusal that a pinned key of the partner signed.

    ``why`` is why not, where it is a message of this exchange at all. ``for_a_person``: the other side says that the request itself is
    wrong, which time does not mend.
    """

    def __init__(self, answer: Response, why: str | None) -> None:
        self.status = answer.status
        self.for_a_person = 400 <= answer.status < 500 and answer.status not in _PATIENCE
        what = _what(answer) if why is None else "an answer that proves nothing"
        super().__init__(f"{_status(answer.status)} with {what} instead of a receipt: {why or _look(answer.status)}")

    def to(self, sent: bytes) -> str:
        """The same as the answer to these bytes: how many there were is said where they are what is wrong."""
        return f"{self} The message has {len(sent):,} bytes." if self.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else str(self)


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _look(status: int) -> str:
    if status < 400:
        return "does the endpoint lead to the partner's gateway, path included?"
    return _LOOK.get(status, "the request is wrong to it" if status < 500 else "it fails, or what stands before it does")


def _what(answer: Response) -> str:
    """What kind of thing it is, and its own words where it has some for people."""
    body, media = answer.body.removeprefix(_BOM), answer.headers.get("content-type", "").lower()
    beginning = body[:_LOOKED_AT]
    if not beginning.strip():
        return "nothing"
    if _HTML.match(beginning) or media.startswith("text/html"):
        title = _TITLE.search(beginning)
        return f"an HTML page{_quoted(title[1]) if title else ''}"
    if "json" in media or beginning.lstrip()[:1] in (b"{", b"["):
        return f"a JSON document{_quoted(_problem(body))}"
    if beginning.lstrip()[:1] == b"<" and (root := _ROOT.search(beginning)):
        return f"an XML document <{root[1].decode('ascii', 'replace')}>"
    try:
        text = beginning.decode()
    except UnicodeDecodeError:
        return f"{len(answer.body):,} bytes that are no text"
    return f"the text{_quoted(text.encode())}"


def _problem(body: bytes) -> bytes:
    if len(body) > _LOOKED_AT:
        return b""
    try:
        said = msgspec.json.decode(body, type=_Problem)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return b""
    return " ".join(one for one in (said.code, said.title, said.detail) if one).encode("utf-8", "replace")


def _quoted(words: bytes) -> str:
    text = visible(_BLANKS.sub(" ", words.decode("utf-8", "replace")).strip())
    return f' "{text[:_SHOWN]}{"..." if len(text) > _SHOWN else ""}"' if text else ""
