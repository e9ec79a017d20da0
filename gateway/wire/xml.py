"""The only XML parser: bytes are scanned before libxml2 sees them, parsed under limits, and the tree is checked after.

What is refused and why is listed, case by case, in tests/vectors/xml. The order matters: a document type declaration or a
foreign encoding must never reach the parser, and the namespace scan is what keeps canonicalisation from being made slow.
No step runs Python code per element.
"""

from __future__ import annotations

import ctypes
import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NoReturn, cast

from lxml import etree

from gateway.core.errors import Code, Refusal


@dataclass(frozen=True)
class Limits:
    """How large a document may be. ``bytes`` is in bytes, ``markup`` counts ``<`` and ``=`` (tags and attributes, roughly:
    it bounds what the tree takes in memory), ``attributes`` is per element.

    ``dense`` bounds what a document costs before anybody knows who signed it: tags, and attributes twice, for an attribute is parsed,
    sorted and written at twice the cost of a tag. So many are free, and one more for each ``_A_MARK`` bytes; the densest list of a
    dialect here has one in eleven bytes. That is as much as such lists leave room for: libxml2 takes 0.15 µs to read an element, 0.16 to
    write its canonical form and 0.05 to forget it, 38 ms for each MiB of the densest.

    ``namespaces`` counts distinct declarations. A document may repeat a declaration where it is used, as exclusive
    canonicalisation itself does, provided that no prefix changes its meaning on the way: only changing meanings pile up.
    """

    bytes: int = 20 * 1024 * 1024
    depth: int = 64
    attributes: int = 64
    namespaces: int = 64
    markup: int = 2_000_000
    dense: int = 132_000


DEFAULT = Limits()
_A_MARK = 10

_BOM = b"\xef\xbb\xbf"
_DECLARATION = re.compile(
    rb"""<\?xml[ \t\r\n]+version[ \t\r\n]*=[ \t\r\n]*(["'])1\.0\1"""
    rb"""(?:[ \t\r\n]+encoding[ \t\r\n]*=[ \t\r\n]*(["'])(?P<encoding>[^"']*)\2)?"""
    rb"""(?:[ \t\r\n]+standalone[ \t\r\n]*=[ \t\r\n]*(["'])(?:yes|no)\4)?[ \t\r\n]*\?>"""
)
_STRANGE = re.compile(rb"<[?!]")
# In well-formed XML these bytes can be nothing but the markup itself or text inside CDATA, where they are refused as well.
_FORBIDDEN = re.compile(rb"<(?:\?|!(?!\[CDATA\[))")
_DOCTYPE = re.compile(rb"<!(?!\[CDATA\[|--)")
# A prefix holds no colon: without that, xmlns:xmlns:xmlns:... would be scanned again from each of its parts.
_NAMESPACE = re.compile(rb"""xmlns(?::([^\s=:"'<>]*))?\s*=\s*(?:"([^"<]*)"|'([^'<]*)')""")
# The same without groups, which cost more than all else where a declaration is repeated a hundred thousand times.
_DECLARED = re.compile(rb"""xmlns(?::[^\s=:"'<>]*)?\s*=\s*(?:"[^"<]*"|'[^'<]*')""")
# What a canonical list of the largest size may repeat; it bounds the time of the scan.
_MENTIONS = 400_000
# Neither blanks nor quotes: text that imitates a declaration could otherwise swallow, and so hide, a real one.
# No references: the names of namespaces are compared as they stand.
_ABSOLUTE = re.compile(rb"""[A-Za-z][A-Za-z0-9+.-]*:[^\s"'<>&]+""")

_XSI = b"http://www.w3.org/2001/XMLSchema-instance"
_XINCLUDE = b"http://www.w3.org/2001/XInclude"


@cache
def _finder(path: str) -> Callable[[etree._Element], list[etree._Element]]:
    return cast(
        "Callable[[etree._Element], list[etree._Element]]",
        etree.XPath(path, namespaces={"xsi": _XSI.decode(), "xi": _XINCLUDE.decode()}),
    )


# Attributes asked for by name cost little beside those whose local name is looked at one by one; that is for prefixes, which are rare.
#: What the bytes hold where a search may find anything, and the search. Each by itself: a union (``@Id | @ID``) is merged by libxml2 node
#: by node, which takes the square of their number (8 s for 1 MiB).
_IDS = tuple(
    (re.compile(rb"%s\s*=" % name.encode()), etree.XPath(f"/descendant::*/@{name}", smart_strings=False))
    for name in ("Id", "ID", "id")
)
_PREFIXED = re.compile(rb":(?:Id|ID|id)\s*=")
_PREFIXED_IDS = etree.XPath(
    "/descendant::*/@*[local-name() = 'Id' or local-name() = 'ID' or local-name() = 'id']", smart_strings=False
)


def parse(data: bytes, limits: Limits = DEFAULT, *, signed: bool = True) -> etree._Element:
    """The root of ``data``. Raises ``Refusal`` with BODY_TOO_LARGE or an XML_* code, and nothing else.

    ``signed`` False is for documents that nobody signs, such as declarations: comments, processing instructions and xsi attributes
    then stay in the tree. Whoever reads such a tree must mind them: ``.text`` ends where a comment begins.

    Not checked: any schema. Relative references and base URIs are never resolved, and nothing is fetched.
    """
    tags, assignments = data.count(b"<"), data.count(b"=")
    if len(data) > limits.bytes or tags + assignments > limits.markup:
        raise Refusal(
            Code.BODY_TOO_LARGE, f"The document holds more than {limits.bytes} bytes or {limits.markup} tags and attributes."
        )
    if tags + 2 * assignments > limits.dense + len(data) // _A_MARK:
        raise Refusal(
            Code.BODY_TOO_LARGE,
            f"The document is little but markup: {tags + assignments} tags and attributes in {len(data)} bytes.",
            remedy="Send the list in parts, or agree on a form with fewer attributes.",
        )
    _scan_encoding(data)
    strange = _scan_markup(data, signed)
    namespaces = _scan_namespaces(data, limits.namespaces)
    root = _parse_hardened(data)
    if strange or not signed:
        _check_strange(root, signed)
    _check_tree(root, _rules(tags, assignments, namespaces, limits, signed))
    _check_ids(root, data)
    return root


def parse_again(canonical_form: bytes) -> etree._Element:
    """The root of what ``canonical`` gave for a tree that ``parse`` had checked: there is nothing in it that was not in the tree.
    Raises ``Refusal`` (XML_*) where libxml2 will not have it all the same."""
    return _parse_hardened(canonical_form)


def _line(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position) + 1


def _scan_encoding(data: bytes) -> None:
    if b"\0" in data:
        raise Refusal(Code.XML_ENCODING, "The document holds a NUL byte, or is UTF-16 or UTF-32.", line=_line(data, data.index(0)))
    try:
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refusal(Code.XML_ENCODING, f"Byte {error.start} is not UTF-8.", line=_line(data, error.start)) from None


def _scan_markup(data: bytes, signed: bool) -> bool:
    """Whether there is any markup but tags."""
    start = len(_BOM) if data.startswith(_BOM) else 0
    if declaration := _DECLARATION.match(data, start, start + 200):
        encoding = declaration["encoding"]
        if encoding is not None and encoding.upper() != b"UTF-8":
            raise Refusal(Code.XML_ENCODING, "The document declares another encoding than UTF-8.", value=encoding.decode(), line=1)
        start = declaration.end()
    elif data.startswith((b"<?xml ", b"<?xml\t", b"<?xml\r", b"<?xml\n"), start):
        raise Refusal(Code.XML_MALFORMED, "The XML declaration is not one of XML 1.0.", line=1)
    strange = _STRANGE.search(data, start)
    if strange and (found := (_FORBIDDEN if signed else _DOCTYPE).search(data, strange.start())):
        kind = data[found.start() : found.start() + 4]
        line = _line(data, found.start())
        if kind.startswith(b"<?"):
            _refuse_late_declaration(data, found.start(), line)
            raise Refusal(Code.XML_INSTRUCTION, line=line)
        raise Refusal(Code.XML_COMMENT if kind == b"<!--" else Code.XML_DOCTYPE, line=line)
    return strange is not None


def _refuse_late_declaration(data: bytes, position: int, line: int) -> None:
    """What many programs write before a document, a newline above all, cannot be seen where people look at it."""
    before = data[:position]
    if data[position : position + 6].rstrip() == b"<?xml" and not before.strip(_BOM + b" \t\r\n"):
        named = "a newline" if b"\n" in before else "a blank" if before.strip(_BOM) else "a second byte order mark"
        raise Refusal(
            Code.XML_INSTRUCTION,
            f"Before the XML declaration there is {named}; <?xml must be the first thing in a document.",
            line=line,
            remedy="Send the document from <?xml on, without anything before it.",
        )


def _scan_namespaces(data: bytes, limit: int) -> set[bytes]:
    mentions = data.count(b"xmlns")
    if mentions > _MENTIONS:
        raise Refusal(Code.XML_TOO_MANY_NAMESPACES, f"The document holds the word xmlns more than {_MENTIONS} times.")
    declared = {(prefix, one or other) for said in set(_DECLARED.findall(data)) for prefix, one, other in _NAMESPACE.findall(said)}
    prefixes = [prefix for prefix, _ in declared if prefix]
    if len(declared) > limit or (mentions > limit and len(prefixes) > len(set(prefixes))):
        raise Refusal(
            Code.XML_TOO_MANY_NAMESPACES,
            f"More than {limit} namespace declarations that differ, or that give a prefix another meaning.",
        )
    for prefix, uri in declared:
        if not _ABSOLUTE.fullmatch(uri) and (uri or prefix):
            place = data.index(b"xmlns:" + prefix if prefix else uri)
            raise Refusal(Code.XML_NAMESPACE, value=uri.decode(), line=_line(data, place))
    return {uri for _, uri in declared}


#: libxml2 keeps every name that a thread ever parsed until that thread ends, so a stranger could fill memory for good with names of his own,
#: a message at a time. After so many bytes a thread forgets them (choice: what costs little to do anew).
_REMEMBERED = 8 * 1024 * 1024
# Where lxml keeps what it made for a thread; a thread that has nothing there is given its own, as every new thread is.
_thread_state = ctypes.pythonapi.PyThreadState_GetDict
_thread_state.restype = ctypes.c_void_p
_REMEMBERS = "_ParserDictionaryContext"


def _forget_names() -> None:
    """Has lxml begin a new dictionary of names for this thread. Trees made before hold on to theirs and end it with them."""
    if state := _thread_state():
        ctypes.cast(state, ctypes.py_object).value.pop(_REMEMBERS, None)


class _Hardened(threading.local):
    """A parser for each thread: threads that share one wait for each other."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._parsed = 0
        # huge_tree stays off: 20 MiB parse without it, and libxml2's own limits on depth and text then hold while parsing.
        self._parser = etree.XMLParser(
            encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, collect_ids=False
        )

    def parse(self, data: bytes) -> etree._Element:
        self._parsed += len(data)
        try:
            return etree.fromstring(data, self._parser)
        finally:
            if self._parsed > _REMEMBERED:
                self._begin()  # for a parser holds on to the names as well
                _forget_names()


_HARDENED = _Hardened()


def _parse_hardened(data: bytes) -> etree._Element:
    try:
        return _HARDENED.parse(data)
    except etree.XMLSyntaxError as error:
        _refuse_syntax(error)


def _refuse_syntax(error: etree.XMLSyntaxError) -> NoReturn:
    message = error.msg or ""
    if "Excessive depth" in message:
        raise Refusal(Code.XML_TOO_DEEP, line=error.lineno) from None
    code = Code.XML_NAMESPACE if error.code == etree.ErrorTypes.WAR_NS_URI else Code.XML_MALFORMED
    raise Refusal(code, f"The document is not well-formed: {message[:200]}.", line=error.lineno) from None


def _rules(tags: int, assignments: int, namespaces: set[bytes], limits: Limits, signed: bool) -> list[tuple[Code, str]]:
    """What to look for in the tree. What the bytes have no room for need not be looked for: an element that deep takes so many
    tags, each attribute an equals sign, and a name its namespace."""
    rules = []
    if tags > 2 * limits.depth:
        rules.append((Code.XML_TOO_DEEP, "/*" * (limits.depth + 1)))
    if assignments > limits.attributes:
        rules.append((Code.XML_TOO_MANY_ATTRIBUTES, f"/descendant::*/@*[{limits.attributes + 1}]/.."))
    if signed and _XSI in namespaces:
        rules.append((Code.XML_INSTANCE, "/descendant::*/@xsi:*/.."))
    if _XINCLUDE in namespaces:
        rules.append((Code.XML_INCLUDE, "/descendant::xi:*"))
    return rules


def _check_strange(root: etree._Element, signed: bool) -> None:
    strange = (etree.Entity, etree.Comment, etree.PI) if signed else (etree.Entity,)
    for node in root.iter(*strange):  # the scan saw to it; a second lock on the same door
        _refuse_at(Code.XML_COMMENT if isinstance(node, etree._Comment) else Code.XML_INSTRUCTION, node)


def _check_tree(root: etree._Element, rules: list[tuple[Code, str]]) -> None:
    for code, path in rules:
        if found := _finder(path)(root):
            _refuse_at(code, found[0])


def _check_ids(root: etree._Element, data: bytes) -> None:
    """``data`` tells what need not be looked for: before an equals sign stands an attribute's name, or something in a text."""
    searches = [_PREFIXED_IDS] if _PREFIXED.search(data) else [search for named, search in _IDS if named.search(data)]
    ids = [value.strip() for search in searches for value in cast("list[str]", search(root))]
    if len(ids) > len(set(ids)):
        raise Refusal(Code.XML_ID, value=Counter(ids).most_common(1)[0][0])


def _refuse_at(code: Code, node: etree._Element) -> NoReturn:
    raise Refusal(code, field=etree.QName(node).localname if isinstance(node.tag, str) else None, line=node.sourceline)


def canonical(element: etree._Element) -> bytes:
    """Exclusive XML Canonicalization 1.0 without comments (W3C, 18 July 2002) of ``element`` and what is below it.

    Raises ``Refusal`` (XML_MALFORMED) where there is no canonical form.
    """
    try:
        return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    except (etree.LxmlError, ValueError, LookupError) as error:
        raise Refusal(Code.XML_MALFORMED, f"The document has no canonical form: {error}.") from None


_SPECIAL = re.compile("[&<>\"'\t\n\r\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_REFERENCES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}


def escape(text: str) -> str:
    """``text`` for use as character data or between quotes. Raises ``Refusal`` (CHARACTERS) for what XML cannot carry."""
    return _SPECIAL.sub(_reference, text) if _SPECIAL.search(text) else text


def _reference(match: re.Match[str]) -> str:
    if reference := _REFERENCES.get(match[0]):
        return reference
    raise Refusal(Code.CHARACTERS, f"A value holds {_named(match[0])}, which XML cannot carry.")


def plain_code(value: str, field: str, line: int | None = None) -> str:
    """``value`` itself, if it is a code a person can tell from every other: printable ASCII without blanks around it.

    Raises ``Refusal`` (CHARACTERS) naming the first character at fault. Messages are never folded
    (core/RULES.md, Reading a declared code).
    """
    if value.isascii() and value.isprintable() and value == value.strip():
        return value
    fault = next((c for c in value if not (c.isascii() and c.isprintable())), " ")
    where = value.index(fault) + 1 if fault != " " else "the beginning or end"
    raise Refusal(Code.CHARACTERS, f"{field} holds {_named(fault)} at {where}.", field=field, value=value, line=line)


def _named(character: str) -> str:
    return f"U+{ord(character):04X} {unicodedata.name(character, 'CONTROL')}"
