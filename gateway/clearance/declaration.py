"""The AEO parties of a WCO Data Model declaration (version 3; classes 42A, 67A, 28A, 30A, 27A, 57A, 74A and 16C).

Which party is the overseas one depends on the direction (clearance/RULES.md, Declarations; Announcement 2018/131):

=========  ==========================================  =====================================
direction  overseas party                              domestic parties
=========  ==========================================  =====================================
import     Consignor; Exporter if there is none        Importer, Consignee, Declarant, Agent
export     Consignee; Importer if there is none        Exporter, Consignor, Declarant, Agent
not told   Consignor and Consignee, each as such       Declarant, Agent
=========  ==========================================  =====================================

An AEOMutualRecognitionParty is one of the *further* parties of the supply chain (consolidator, forwarder, manufacturer,
warehouse keeper): benefits attach to none of them. The parties inside a Consignment are those of the transport contract. They
stand for the manifest's AEO fields: they are compared with what is declared and never answered for by themselves (choice).

A declaration is not signed: comments, processing instructions and xsi attributes occur in real ones and are read past, but a
value with anything inside it is refused, since a comment would cut it in two. Codes are given as declared; whether they are
right is for the answer to say. No schema is checked: what real declarations fail it in rarely matters here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

import msgspec
from lxml import etree

from gateway.core import moments
from gateway.core.arrangement import Direction, Mode, Role
from gateway.core.declared import spellings
from gateway.core.errors import Code, Refusal
from gateway.core.home import HOME_ZONE
from gateway.wire.xml import Limits, parse

#: Far above any real one: the largest of 867 published samples holds 54 KB.
LIMITS = Limits(bytes=4 * 1024 * 1024, markup=400_000)

#: How D013 tells the direction: the first two letters of declaration types such as IMA and EXD, or UN/EDIFACT 1001.
_DIRECTIONS = {"IM": Direction.IMPORT, "929": Direction.IMPORT, "EX": Direction.EXPORT, "830": Direction.EXPORT}
#: UN/EDIFACT 8067 (UN/ECE Recommendation 19). 0 and 9 name no mode.
_MODES = {"1": Mode.SEA, "2": Mode.LAND, "3": Mode.LAND, "4": Mode.AIR, **dict.fromkeys("5678", Mode.OTHER)}

#: UN/EDIFACT 1225, the functions of a declaration that changes or replaces an earlier one.
_AMENDS = ("4", "5")

_NAMESPACE = "urn:wco:datamodel:"
_FURTHER = "AEOMutualRecognitionParty"
_PARTIES = {"Consignor", "Consignee", "Exporter", "Importer", "Declarant", "Agent", _FURTHER}
_CONTAINERS = {"GoodsShipment", "GovernmentAgencyGoodsItem", "Consignment", "ConsignmentItem"}
#: The overseas party's own element, the one that may stand for it, and the role.
_OVERSEAS = {
    Direction.IMPORT: ("Consignor", "Exporter", Role.CONSIGNOR),
    Direction.EXPORT: ("Consignee", "Importer", Role.CONSIGNEE),
}
_DOMESTIC = {
    Direction.IMPORT: ("Importer", "Consignee", "Declarant", "Agent"),
    Direction.EXPORT: ("Exporter", "Consignor", "Declarant", "Agent"),
    None: ("Declarant", "Agent"),
}


class Place(msgspec.Struct, frozen=True):
    """Where in the document: the path below Declaration, and the line (from 1)."""

    path: str
    line: int


class DeclaredParty(msgspec.Struct, frozen=True, kw_only=True):
    """A party that carries a code; one that is repeated on several items is one party with several places.

    ``source`` is the element's name. ``wco_role`` is R005 (CS, FW, MF, WH), which only an AEOMutualRecognitionParty has.
    ``manifest`` is what the transport contract gives for the same role, where it gives anything.
    """

    code: str
    role: Role
    source: str
    name: str | None
    where: tuple[Place, ...]
    wco_role: str | None = None
    manifest: str | None = None


class Note(msgspec.Struct, frozen=True):
    """Something a person should know about the reading; the wording has its sentence."""

    code: str
    facts: dict[str, str] = {}


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """What a declaration says about AEO parties: ``parties`` are to be answered for, ``domestic`` ones may prevail over them.

    ``told_by`` says how the direction is known. ``accepted_on`` is the day of acceptance in China's calendar, where given. ``amends``: it
    says of itself that it changes or replaces an earlier one, and is judged again for its day of acceptance.
    """

    reference: str | None
    direction: Direction | None
    told_by: str | None
    mode: Mode | None
    accepted_on: date | None
    amends: bool
    parties: tuple[DeclaredParty, ...]
    domestic: tuple[DeclaredParty, ...]
    notes: tuple[Note, ...]


class _Found(NamedTuple):
    """A party's element, where it stands, and whether that is inside a transport contract."""

    source: str
    element: etree._Element
    path: str
    in_contract: bool


def read_declaration(data: bytes, direction: Direction | None = None) -> Declaration:
    """Read a declaration; ``direction`` is what the caller knows, used only where the document does not tell it.

    Raises ``Refusal``: DECLARATION_INVALID for anything but one WCO declaration, and whatever ``wire.xml.parse`` refuses.
    """
    document = _declaration(parse(data, LIMITS, signed=False))
    notes = list[Note]()

    kind = _value(document, "TypeCode") or ""
    told = _DIRECTIONS.get(kind) or _DIRECTIONS.get(kind[:2])
    told_by = f"TypeCode {kind}" if told else "caller" if direction else None
    direction = told or direction
    if direction is None:
        notes.append(Note("direction-not-told", {"type": kind}))

    accepted_on, unread = _acceptance(document)
    if unread is not None:
        notes.append(Note("acceptance-unreadable", {"value": unread}))
    amends = _value(document, "FunctionCode") in _AMENDS
    if amends and accepted_on is None:
        notes.append(Note("acceptance-needed"))

    found = list(_found(document))
    declared = [one for one in found if not one.in_contract]
    overseas = _overseas(direction, {one.source for one in declared})
    manifest = _coded((one for one in found if one.in_contract), overseas)
    parties = _beside(_coded(declared, overseas | {_FURTHER: Role.OTHER}), manifest)
    notes += [Note("stands-for", {"element": party.source}) for party in parties if party.source in ("Exporter", "Importer")]
    seen = {"", *(party.manifest for party in parties)}.union(*(spellings(party.code) for party in parties))
    only = [party.code for party in manifest if seen.isdisjoint(spellings(party.code))]
    notes += [Note("manifest-only", {"code": code}) for code in only]
    if not parties:
        notes.append(Note("no-aeo-party"))

    means = _child(document, "BorderTransportMeans")
    return Declaration(
        reference=_value(document, "FunctionalReferenceID") or _value(document, "ID"),
        direction=direction,
        told_by=told_by,
        mode=None if means is None else _MODES.get(_value(means, "ModeCode") or ""),
        accepted_on=accepted_on,
        amends=amends,
        parties=tuple(parties),
        domestic=tuple(_coded(declared, dict.fromkeys(_DOMESTIC[direction], Role.OTHER))),
        notes=tuple(notes),
    )


def _overseas(direction: Direction | None, declared: Collection[str]) -> dict[str, Role]:
    """The elements that are the overseas party, and the role each stands for.

    China's overseas consignor is as a rule the seller of the contract and its overseas consignee the buyer, so Exporter and Importer
    may stand for them; never where the party itself is there, even without a code: then that one was meant.
    """
    if direction is None:
        return {"Consignor": Role.CONSIGNOR, "Consignee": Role.CONSIGNEE}
    own, other, role = _OVERSEAS[direction]
    return {own: role} if own in declared else {own: role, other: role}


def _beside(parties: list[DeclaredParty], manifest: list[DeclaredParty]) -> list[DeclaredParty]:
    """``parties`` with the manifest's code for their role: the one that agrees, or else the first."""
    first, alike = dict[Role, str](), dict[tuple[Role, str], str]()
    for given in manifest:
        first.setdefault(given.role, given.code)
        alike.update(((given.role, spelling), given.code) for spelling in spellings(given.code))

    def code_beside(party: DeclaredParty) -> str | None:
        agreeing = (alike.get((party.role, spelling)) for spelling in sorted(spellings(party.code)))
        return next(filter(None, agreeing), first.get(party.role))

    return [msgspec.structs.replace(party, manifest=code_beside(party)) for party in parties]


def _coded(found: Iterable[_Found], roles: Mapping[str, Role]) -> list[DeclaredParty]:
    """The parties among ``found`` that have a role and a code, each once, in the order of the document."""
    places: dict[tuple[str, str, str | None, str | None], list[Place]] = {}
    for one in found:
        if one.source in roles and (code := _value(one.element, "ID")):
            who = code, one.source, _value(one.element, "Name"), _value(one.element, "RoleCode")
            places.setdefault(who, []).append(Place(one.path, one.element.sourceline or 0))
    return [
        DeclaredParty(code=code, role=roles[source], source=source, name=name, where=tuple(where), wco_role=wco_role)
        for (code, source, name, wco_role), where in places.items()
    ]


def _declaration(root: etree._Element) -> etree._Element:
    """The one Declaration of a document: the root itself, or within the MetaData wrapper."""
    held = [root] if _name(root) != "MetaData" else list(root)
    declarations = [element for element in held if _name(element) == "Declaration"]
    if len(declarations) == 1:
        return declarations[0]
    if declarations:
        detail = f"The document holds {len(declarations)} declarations; send one at a time."
    elif any(_name(element) == "Response" for element in held):
        detail = "The document is a notification (Response), not a declaration."
    else:
        detail = "The document is no WCO declaration: its root must be Declaration, or MetaData with a Declaration in it."
    raise Refusal(Code.DECLARATION_INVALID, detail, field=etree.QName(root).localname, line=root.sourceline)


def _found(parent: etree._Element, path: str = "", in_contract: bool = False) -> Iterator[_Found]:
    """Every party below ``parent``, at whatever level of the declaration. The depth is the parser's to bound."""
    numbers = Counter[str]()
    for child in parent:
        name = _name(child)
        if name in _PARTIES:
            yield _Found(name, child, path + name, in_contract)
        elif name in _CONTAINERS:
            numbers[name] += 1
            yield from _found(child, f"{path}{name}[{numbers[name]}]/", in_contract or name == "Consignment")


def _name(element: etree._Element) -> str | None:
    """The WCO name of an element, whatever the version; without any namespace too, as in much of what is found."""
    if not isinstance(element.tag, str):
        return None
    name = etree.QName(element)
    return name.localname if (name.namespace or _NAMESPACE).startswith(_NAMESPACE) else None


def _child(parent: etree._Element, name: str) -> etree._Element | None:
    children = [child for child in parent if _name(child) == name]
    if len(children) > 1:
        raise Refusal(
            Code.DECLARATION_INVALID, f"{name} stands twice where one is expected.", field=name, line=children[1].sourceline
        )
    return children[0] if children else None


def _value(parent: etree._Element, name: str) -> str | None:
    """The text of a child, without the blanks of its layout; None where it is empty or not there."""
    child = _child(parent, name)
    if child is None:
        return None
    if len(child):
        detail = f"{name} holds a comment, an instruction or an element; which text is meant cannot be told."
        remedy = "Leave nothing but the text in it."
        raise Refusal(Code.DECLARATION_INVALID, detail, field=name, line=child.sourceline, remedy=remedy)
    return (child.text or "").strip(" \t\r\n") or None


def _acceptance(document: etree._Element) -> tuple[date | None, str | None]:
    """The day of acceptance in China's calendar, and what stands there instead of one that can be read.

    Whatever the version of the schema: the text of AcceptanceDateTime itself, or of a DateTimeString or DateTime in it, with a formatCode
    or without. A day that is there and not understood is never taken for none.
    """
    accepted = _child(document, "AcceptanceDateTime")
    if accepted is None:
        return None, None
    (element, *more) = list(accepted) or [accepted]
    known = element is accepted or (_name(element) in ("DateTimeString", "DateTime") and not (accepted.text or "").strip())
    if known and not more and not (len(element) and element is not accepted):
        day = _day((element.text or "").strip(" \t\r\n"), _format(element))
        if day is not None:
            return day, None
    return None, " ".join("".join(accepted.itertext()).split()) or "-"


def _format(element: etree._Element) -> str | None:
    """UN/EDIFACT 2379: how a date is written, where the element says it."""
    return next((str(value) for name, value in element.attrib.items() if etree.QName(name).localname == "formatCode"), None)


#: UN/EDIFACT 2379, the formats of a whole day: how many digits they have, and whether a zone follows.
_FORMATS = {"102": (8, False), "203": (12, False), "204": (14, False), "205": (12, True), "208": (14, True), "304": (14, True)}


def _day(written: str, form: str | None) -> date | None:
    """The day in China's calendar, from a format of UN/EDIFACT 2379 or an XML date and time; None: it is none of them."""
    if form is not None:
        digits, zone = _FORMATS.get(form, (0, False))
        number = re.match(r"\d*", written)
        if number is None or number.end() != digits or (not zone and number.end() != len(written)):
            return None
    try:
        return moments.day_in(re.sub(r"^(\d{8})(?=\d)", r"\1T", written), HOME_ZONE)
    except ValueError:
        return None
