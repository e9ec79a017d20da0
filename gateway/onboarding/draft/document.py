"""A partner's message as a tree that a sample can be made of: no comments, each prefix declared once, what repeats laid over itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from copy import deepcopy

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire.dialect.parse import SAMPLE
from gateway.wire.schema import Schema
from gateway.wire.xml import parse

XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_XML = "http://www.w3.org/XML/1998/namespace"
_MEANT = {"type": "names the type of", "nil": "says that nothing stands in"}


class SampleDocument:
    """One message. ``values`` are all texts of a place, ``several`` the places that stand more than once in one parent."""

    def __init__(self, name: str, message: bytes, schema: Schema, prefixes: tuple[str, ...]) -> None:
        """Raises ``Refusal`` for what is no XML, is not valid against the XSD, or could never be exchanged."""
        try:
            original = parse(message, signed=False)
            schema.validate(original)
        except Refusal as refusal:
            remedy = (
                refusal.remedy
                if not str(refusal.code).startswith("schema")
                else "Ask for a message that its XSD accepts, or for the XSD that goes with it."
            )
            raise refusal.but(detail=f"The {name} message cannot be used: {refusal.detail}", remedy=remedy) from None
        self.notes = list(_instance(original))
        self.root = _clean(original)
        #: The message as it may be exchanged: without comments and xsi attributes.
        self.plain = _plain(self.root)
        self._told_apart = _told_apart(self.root, prefixes)
        self.values: dict[str, list[str]] = defaultdict(list)
        self.several: set[str] = set()
        #: How often each place is there.
        self.times: Counter[str] = Counter()
        for element in self.root.iter("*"):
            at = self.at(element)
            self.times[at] += 1
            for attribute, value in element.attrib.items():
                self.values[self.at(element, str(attribute))].append(str(value))
            if not len(element) and (element.text or "").strip():
                self.values[at].append((element.text or "").strip())
            times = Counter(self._same(child) for child in element)
            self.several |= {self.at(child) for child in element if times[self._same(child)] > 1}

    def at(self, element: etree._Element, attribute: str | None = None) -> str:
        """The place in the words of ``draft.toml``: ``Root/Operator/Date[@type=issue]/@x``."""
        steps = [self._step(one) for one in (*reversed(list(element.iterancestors())), element)]
        return "/".join(steps) + (f"/@{etree.QName(attribute).localname}" if attribute else "")

    def apart(self, element: etree._Element) -> str | None:
        """The attribute by which elements of this name are told apart, if that is how."""
        return self._told_apart.get(_path(element))

    def _step(self, element: etree._Element) -> str:
        name, by = etree.QName(element).localname, self._told_apart.get(_path(element))
        return f"{name}[@{by}={element.get(by)}]" if by else name

    def _same(self, element: etree._Element) -> tuple[str, str | None]:
        by = self._told_apart.get(_path(element))
        return str(element.tag), element.get(by) if by else None

    def twins(self, element: etree._Element) -> list[etree._Element]:
        return [one for one in element.itersiblings() if self._same(one) == self._same(element)]

    def adopt(self, other: str, mine: str) -> None:
        """What was seen below the place ``other`` was seen below ``mine``, too."""
        for at in [at for at in self.values if at == other or at.startswith(f"{other}/")]:
            self.values[mine + at[len(other) :]] += self.values[at]
        self.several |= {mine + at[len(other) :] for at in self.several if at == other or at.startswith(f"{other}/")}

    def fold(self, element: etree._Element) -> None:
        """Lays everything that repeats below ``element`` over its first appearance, so that each place is there once."""
        first: dict[tuple[str, str | None], etree._Element] = {}
        for child in list(element):
            mine = first.setdefault(self._same(child), child)
            if mine is not child:
                self.overlay(mine, child)
                element.remove(child)
        for child in element:
            self.fold(child)

    def overlay(self, mine: etree._Element, other: etree._Element) -> None:
        """Adds to ``mine`` what only ``other`` holds, where it stands there."""
        for name, value in other.attrib.items():
            if name not in mine.attrib:
                mine.set(name, value)
        if not len(mine) and not len(other) and not (mine.text or "").strip():
            mine.text = other.text
        after = -1
        for child in list(other):
            same = next((one for one in mine if self._same(one) == self._same(child)), None)
            if same is None:
                mine.insert(after + 1, child)
                after += 1
            else:
                after = mine.index(same)
                self.overlay(same, child)


def _instance(root: etree._Element) -> Iterator[str]:
    """What the message says by xsi attributes, which no message that is exchanged may hold."""
    for element in root.iter("*"):
        for name in element.attrib:
            if str(name).startswith(XSI):
                word, where = str(name)[len(XSI) :], etree.QName(element).localname
                if word in _MEANT:
                    raise Refusal(
                        Code.XML_INSTANCE,
                        f"xsi:{word} {_MEANT[word]} {where}, and a message that holds it is refused on arrival: it changes what the XSD means.",
                        field=where,
                        line=element.sourceline,
                        remedy="Agree with the partner on a message without it: an element of its own for each type; what is empty is left out.",
                    )
                yield f"xsi:{word} on {where} is left out: a signed message that holds it is refused."


def _clean(original: etree._Element) -> etree._Element:
    spaces: dict[str | None, str] = {}
    used = {
        etree.QName(str(name)).namespace
        for one in original.iter("*")
        for name in (one.tag, *one.attrib)
        if not str(name).startswith(XSI)
    }
    bare = any(etree.QName(one).namespace is None for one in original.iter("*"))
    qualified = {etree.QName(str(name)).namespace for one in original.iter("*") for name in one.attrib}
    for uri in sorted(used - {None, _XML}, key=str):
        prefixes = [prefix for one in original.iter("*") for prefix, space in one.nsmap.items() if space == uri and prefix != "gw"]
        plain = next((prefix for prefix in prefixes if prefix and prefix not in spaces), f"m{len(spaces) + 1}")
        default = None in prefixes and not bare and uri not in qualified and None not in spaces and not any(prefixes)
        spaces[None if default else plain] = str(uri)
    return _copied(original, etree.Element(original.tag, nsmap={**spaces, "gw": SAMPLE}))


def _plain(root: etree._Element) -> bytes:
    copy = deepcopy(root)
    etree.cleanup_namespaces(copy)
    return etree.tostring(copy, encoding="utf-8") + b"\n"


def _copied(element: etree._Element, copy: etree._Element) -> etree._Element:
    text = element.text or ""
    for name, value in element.attrib.items():
        if not str(name).startswith(XSI):
            copy.set(name, value)
    for child in element:
        if isinstance(child.tag, str):
            _copied(child, etree.SubElement(copy, child.tag))
            copy[-1].tail = child.tail
        elif len(copy):
            copy[-1].tail = (copy[-1].tail or "") + (child.tail or "")
        else:
            text += child.tail or ""
    copy.text = text
    return copy


def _path(element: etree._Element) -> tuple[str, ...]:
    return tuple(str(one.tag) for one in (element, *element.iterancestors()))


def like_a_code(text: str, prefixes: tuple[str, ...]) -> bool:
    """``text`` begins as this partner's codes do, and goes on as a code."""
    rest = next((text[len(prefix) :] for prefix in prefixes if text.startswith(prefix)), "")
    return len(rest) >= 3 and rest.isascii() and any(c.isdigit() for c in rest) and not any(c.isspace() for c in text)


def _told_apart(root: etree._Element, prefixes: tuple[str, ...]) -> dict[tuple[str, ...], str]:
    """Leaves of one name in one parent that differ by an attribute, as ``<Date type="issue">`` beside ``<Date type="expiry">``.

    Those that differ by an operator's code, ``<Operator code="QZ77001">Name</Operator>``, are one thing that repeats.
    """
    found: dict[tuple[str, ...], str] = {}
    for parent in root.iter("*"):
        leaves: dict[str, list[etree._Element]] = defaultdict(list)
        for child in parent:
            coded = any(like_a_code(str(value), prefixes) for value in child.attrib.values())
            if not len(child) and (child.text or "").strip() and not coded:
                leaves[str(child.tag)].append(child)
        for same in leaves.values():
            for name in same[0].attrib if len(same) > 1 else ():
                said = [one.get(name) for one in same]
                if None not in said and len(set(said)) == len(said):
                    found.setdefault(_path(same[0]), str(name))
                    break
    return found
