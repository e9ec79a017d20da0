"""One sample, drafted from one message."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import NamedTuple

from lxml import etree

from gateway.core.model import Kind
from gateway.onboarding import glossary
from gateway.onboarding.draft import absent, codes, groups, parts
from gateway.onboarding.draft.declared import XsdFacts, children, documented
from gateway.onboarding.draft.document import SampleDocument
from gateway.onboarding.draft.groups import Group
from gateway.onboarding.draft.guess import Guess, Guesser, Where
from gateway.onboarding.draft.model import Draft, DraftAnswers, Proposal, Sure
from gateway.onboarding.draft.structure import Shape, shape_of
from gateway.wire.dialect.parse import SAMPLE
from gateway.wire.schema import Allowed

_GW = f"{{{SAMPLE}}}"
#: An answer about an element as a whole: ``gw:any``, ``gw:when="standing=revoked"``.
_VERB = re.compile(r'gw:(each|when|if|any)(?:="([^"]*)")?')
#: Said by everybody who speaks, so never optional in a sample.
_ALWAYS = {"tin", "standing", "query.tin", "@count"}
_RANK = (Sure.ANSWERED, Sure.SURE, Sure.LIKELY, Sure.QUESTION)


class Spot(NamedTuple):
    """A leaf or an attribute, and what is proposed for it. ``branch`` is the status block it stands in, if any."""

    element: etree._Element
    attribute: str | None
    where: Where
    guess: Guess
    branch: etree._Element | None


class FaceDrafter:
    """Drafts the sample called ``name`` and adds to ``made`` what a person should look at."""

    def __init__(
        self,
        name: str,
        document: SampleDocument,
        declared: XsdFacts,
        prefixes: tuple[str, ...],
        levels: tuple[str, ...],
        answers: DraftAnswers,
        made: Draft,
    ) -> None:
        self.name, self.document, self.declared, self.levels, self.answers, self.made = (
            name,
            document,
            declared,
            levels,
            answers,
            made,
        )
        self.shape: Shape = shape_of(document, declared, name, prefixes)
        asks = name.partition(".")[0] in (Kind.QUERY, Kind.RESPONSE)
        self.guesser = Guesser(prefixes, levels, asks)
        self.guesser.learn(document.values.values())
        self.alone = self.shape.outer is document.root
        #: By the status block or the group they stand in: what has a place already.
        self.taken: dict[etree._Element | None, set[str]] = {
            None: {"standing"} if any(one.standing for one in self.shape.groups) else set()
        }
        self.blocks: dict[etree._Element, str] = {}
        self.said: list[Proposal] = []

    def draft(self) -> bytes:
        """The annotated sample."""
        self._set_aside(self.document.root)
        self._find_blocks()
        spots = [spot for element in self.document.root.iter("*") for spot in self._spots(element)]
        for spot in sorted(spots, key=lambda one: _RANK.index(one.guess.sure)):
            self._settle(spot)
        self._complete()
        self._verbs()
        self._lacks()
        etree.indent(self.document.root)
        self._put_in_order()
        return etree.tostring(self.document.root, encoding="utf-8") + b"\n"

    # -- elements as a whole -------------------------------------------------------------------------------------------------

    def _set_aside(self, element: etree._Element) -> None:
        """Answers about whole elements, and elements that no hole can stand for."""
        for child in list(element):
            if self._elsewhere(child):
                continue
            at = self.document.at(child)
            verb = None if self._grouped(child) else self._answered(child)
            if verb and verb[1] == "any":
                self._empty(child)
            elif (why := self._unsayable(child, at)) and not verb and child not in self.shape.repeated:
                self._ask_about(child, at, why)
            else:
                self._set_aside(child)

    def verb(self, at: str) -> re.Match[str] | None:
        """What a person said of the element at ``at`` as a whole."""
        return _VERB.fullmatch(self.answers.at(at, self.name) or "")

    def _answered(self, element: etree._Element) -> re.Match[str] | None:
        """Does what a person said of the element as a whole."""
        at = self.document.at(element)
        if verb := self.verb(at):
            self.propose(at, "", verb[0], Sure.ANSWERED, "a person said so")
            element.set(f"{_GW}{verb[1]}", verb[2] or "")
        return verb

    def _grouped(self, element: etree._Element) -> bool:
        return any(element is group.operator for group in self.shape.groups)

    def _elsewhere(self, element: etree._Element) -> bool:
        """Whether it is the operator of a further group, which is drafted in the first."""
        return element is not self.shape.outer and self._grouped(element)

    def _unsayable(self, element: etree._Element, at: str) -> str | None:
        if len(element) and any((text or "").strip() for text in (element.text, *(child.tail for child in element))):
            return "text stands between its elements, which no sample can say"
        if self.declared.of(element) is None:
            return "the XSD lets anything stand here and does not say what"
        if at in self.document.several:
            return "it stands several times" + (" in one operator" if self._in_statement(element) else "")
        return None

    def _ask_about(self, element: etree._Element, at: str, why: str) -> None:
        optional = self.declared.optional(element) or self.declared.child(element) is None
        until = "until then it is refused" if optional else "until then only this very text is accepted"
        self.propose(at, (element.text or "").strip(), "", Sure.QUESTION, f"{why}; gw:any reads past it, {until}")
        parent = element.getparent()
        if optional and parent is not None:
            parent.remove(element)
        else:
            self._empty_of_strays(element)

    def _empty(self, element: etree._Element) -> None:
        for child in list(element):
            element.remove(child)
        for name in [name for name in element.attrib if not str(name).startswith(_GW)]:
            del element.attrib[name]
        element.text = None

    def _empty_of_strays(self, element: etree._Element) -> None:
        if len(element):
            element.text = None
            for child in element:
                child.tail = None

    def _find_blocks(self) -> None:
        """Blocks that appear by status: branches of a choice, or optional elements, that are called by what they say."""
        for parent in list(self.document.root.iter("*")):
            declaration = self.declared.of(parent) if self._in_statement(parent) else None
            known = [(one, _said_by(one.declaration.local_name)) for one in children(declaration)]
            alike = {one.choice for one, meant in known if meant and one.choice is not None}
            named = [(one, meant) for one, meant in known if meant and (one.choice is not None or one.least == 0)]
            if len({meant for _, meant in named}) < 2 and not (named and self._says_standing(parent)):
                continue
            for one, meant in named:
                found = next((child for child in parent if one.declaration.match(str(child.tag)) is not None), None)
                if found is None:
                    found = absent.add(parent, declaration, one)
                    absent.skeleton(found, one.declaration)
                if f"{_GW}when" not in found.attrib and f"{_GW}any" not in found.attrib:
                    found.set(f"{_GW}when", f"standing={meant}")
                    self.propose(
                        self.document.at(found),
                        "",
                        f'gw:when="standing={meant}"',
                        Sure.LIKELY,
                        "the element is called by what it says",
                    )
                self.blocks[found] = meant
            for one, meant in known:
                if one.choice in alike and not meant:
                    self._left(
                        parent, one.declaration.local_name, Sure.QUESTION, "it stands in place of a status, and no word tells which"
                    )

    def _says_standing(self, parent: etree._Element) -> bool:
        """Whether a status stands beside."""
        names = (etree.QName(str(name)).localname for one in parent for name in (one.tag, *one.attrib) if isinstance(one.tag, str))
        return any(glossary.one([name], "statement") == "standing" for name in (*names, *map(str, parent.attrib)))

    # -- places --------------------------------------------------------------------------------------------------------------

    def _in_statement(self, element: etree._Element) -> bool:
        outer = self.shape.outer
        return outer is not None and (element is outer or outer in element.iterancestors())

    def _block(self, element: etree._Element) -> etree._Element | None:
        block = next((one for one in (element, *element.iterancestors()) if one in self.blocks), None)
        group = None if self._in_statement(element) else self._group(element)
        return block if block is not None or group is None else group.element

    def _group(self, element: etree._Element) -> Group | None:
        around = {element, *element.iterancestors()}
        return next((group for group in self.shape.groups if group.element in around), None)

    def _listed(self, element: etree._Element) -> int:
        """How many operators the message names in the group that ``element`` stands in, or in all."""
        outer, group = self.shape.outer, self._group(element)
        places = [one.at for one in ((group,) if group else self.shape.groups)] or (
            [] if outer is None else [self.document.at(outer)]
        )
        return sum(self.document.times[at + self.shape.below] for at in places)

    def _spots(self, element: etree._Element) -> list[Spot]:
        if f"{_GW}any" in element.attrib or self._elsewhere(element):
            return []
        names: list[str | None] = [str(name) for name in element.attrib if not str(name).startswith(_GW)]
        if not len(element) and (self.declared.allows(element) is not None or (element.text or "").strip()):
            names.append(None)
        return [self._spot(element, name) for name in names]

    def _spot(self, element: etree._Element, attribute: str | None) -> Spot:
        at = self.document.at(element, attribute)
        required = not self.declared.optional(element, attribute) and not any(
            self.declared.optional(one)
            for one in (element, *element.iterancestors())
            if self._in_statement(one) and one not in self.shape.repeated
        )
        values = self.document.values.get(at, [])
        where = Where(
            self._names(element, attribute),
            values,
            self.declared.allows(element, attribute),
            self._in_statement(element),
            required,
            self._listed(element),
        )
        return Spot(element, attribute, where, self._guess(at, element, attribute, where), self._block(element))

    def _guess(self, at: str, element: etree._Element, attribute: str | None, where: Where) -> Guess:
        said = self.answers.at(at, self.name)
        if said is not None and not _VERB.fullmatch(said):
            return Guess(said, Sure.ANSWERED, "a person said so")
        if attribute and attribute == self.document.apart(element):
            return Guess("", Sure.SURE, "it tells elements of one name apart")
        if self.declared.fixed(element, attribute):
            return Guess("", Sure.SURE, "the XSD fixes it")
        if not attribute and (part := parts.of(self, element)):
            return part
        guess = self.guesser.guess(where)
        if not self.alone or (guess.sure is Sure.SURE and not self.guesser.asks):
            return guess
        # a document about one operator speaks of itself and of the operator in one breath
        other = self.guesser.guess(where._replace(in_statement=False))
        if other.hole.startswith("{query."):
            return other
        return other if other.hole and _RANK.index(other.sure) < _RANK.index(guess.sure) else guess

    def _names(self, element: etree._Element, attribute: str | None) -> list[str]:
        """The nearest first: what tells it apart, its own, its own with its parent's, its parent's."""
        by, own = self.document.apart(element), etree.QName(element).localname
        if attribute:
            name = etree.QName(attribute).localname
            return [name, f"{own} {name}", own]
        parent = element.getparent()
        above = "" if parent is None else etree.QName(parent).localname
        told = [str(element.get(by)), f"{own} {element.get(by)}"] if by else []
        return [*told, own, *([f"{above} {own}", above] if above else [])]

    def _settle(self, spot: Spot) -> None:
        """Takes the hole, unless its value has a place already, and writes it down."""
        element, attribute, where, (hole, sure, why), block = spot
        at = self.document.at(element, attribute)
        key = key_of(hole)
        taken = self.taken.setdefault(block, set()) if block is not None else self.taken[None]
        around = set() if key == "@count" else self.taken[None]
        if key and sure is not Sure.ANSWERED and key in taken | around:
            hole, sure, why, key = "", Sure.QUESTION, f"{key} has a place already", ""
        taken |= {key} - {""}
        seen = where.values[0] if where.values else ""
        listed = where.allowed.enumeration if where.allowed is not None else None
        meant = "{level|level}" if key.endswith("#level") else hole
        codes.collect(self.made, meant, listed or where.values, self.levels, self.answers, documented(where.allowed))
        if key:
            self._specimen(key, hole, seen, where.allowed)
        if key and self.declared.optional(element, attribute) and key not in _ALWAYS:
            hole = _optional(element, attribute, hole)
        if not hole and len(set(where.values)) > 1 and sure is Sure.QUESTION:
            why += "; its values differ"
        if not hole and sure is Sure.QUESTION and element is not self.document.root and self._may_go(element, attribute):
            self.propose(at, seen, hole, sure, f"{why}; until somebody says it is left out, and a message that holds it is refused")
            self._take_out(element, attribute)
            return
        self.propose(at, seen, hole, sure, why)
        if attribute:
            element.set(attribute, hole or seen)
        else:
            element.text = hole or seen

    def _may_go(self, element: etree._Element, attribute: str | None) -> bool:
        if not attribute and (len(element) or element in self.shape.repeated):
            return False
        return self.declared.optional(element, attribute) and element not in self.blocks

    def _take_out(self, element: etree._Element, attribute: str | None) -> None:
        parent = element.getparent()
        if attribute:
            del element.attrib[attribute]
        elif parent is not None:
            parent.remove(element)

    def _specimen(self, key: str, hole: str, seen: str, allowed: Allowed | None) -> None:
        """A value of the same form that is nobody's, where none of the usual ones would do."""
        made_up = re.sub(r"\d", "1", seen)
        usual = key not in ("tin", "number", "query.tin") and "#" not in key
        if not seen or key == "@count" or (usual and (allowed is None or allowed.fits("Made-up"))):
            return
        value = made_up if allowed is None or allowed.fits(made_up) else seen
        self.made.specimens.setdefault(key, f"{self.guesser.prefixes[0]}{value}" if "|bare:" in hole else value)

    # -- what no message shows -----------------------------------------------------------------------------------------------

    def _complete(self) -> None:
        for element in list(self.document.root.iter("*")):
            if f"{_GW}any" not in element.attrib and not self._elsewhere(element):
                self._complete_one(element, 0)

    def _complete_one(self, element: etree._Element, depth: int) -> bool:
        """Adds what is understood by name and type; says what else there could be. Returns whether a hole was added."""
        declaration = self.declared.of(element)
        if declaration is None:
            return False
        added = False
        for name, attribute in declaration.attributes.items():
            if name is not None and name not in element.attrib and attribute.use != "prohibited":
                added |= self._add(element, str(name))
        for one in absent.missing(element, declaration):
            if any(group.child == one for group in self.shape.groups):
                continue
            child = absent.add(element, declaration, one)
            if self._answered(child):
                added = True
            elif not self._opened(child, one.declaration, depth):
                element.remove(child)
                self._left(element, one.declaration.local_name)
            else:
                added = True
        for one in absent.others(element, declaration):
            if not _said_by(one.declaration.local_name):
                self._left(element, one.declaration.local_name)
        return added

    def _opened(self, child: etree._Element, declaration: object, depth: int) -> bool:
        """Whether the element, or something in it, is understood."""
        if self.declared.allows(child) is not None and not self.declared.holds_elements(child):
            required = [name for name, one in getattr(declaration, "attributes", {}).items() if name and one.use == "required"]
            return not required and self._add(child, None)
        if depth == absent.DEEPEST or not absent.skeleton(child, declaration):
            return False
        spots = [spot for one in child.iter("*") for spot in self._spots(one)]
        if any(not spot.guess.hole or key_of(spot.guess.hole) in self._known() for spot in spots):
            return False
        for spot in spots:
            self._settle(spot)
        return self._complete_one(child, depth + 1) or bool(spots)

    def _known(self) -> set[str]:
        return self.taken[None] | _ALWAYS | {"message.id"}

    def _add(self, element: etree._Element, attribute: str | None) -> bool:
        spot = self._spot(element, attribute)
        key = key_of(spot.guess.hole)
        if spot.guess.sure is not Sure.ANSWERED and (not key or spot.guess.sure is not Sure.LIKELY or key in self._known()):
            if attribute:
                self._left(element, f"@{etree.QName(attribute).localname}")
            return False
        why = spot.guess.why if spot.guess.sure is Sure.ANSWERED else f"{spot.guess.why}; the XSD allows it, no message shows it"
        self._settle(spot._replace(guess=spot.guess._replace(why=why)))
        return True

    def _left(
        self,
        parent: etree._Element,
        name: str,
        sure: Sure = Sure.LEFT_OUT,
        why: str = "the XSD allows it, no message shows it: one that holds it is refused",
    ) -> None:
        at = f"{self.document.at(parent)}/{name}"
        if self.answers.at(at, self.name) is None:
            self.propose(at, "", "", sure, why)

    # -- the sample as a whole -----------------------------------------------------------------------------------------------

    def _verbs(self) -> None:
        levels = self.shape.repeated
        for level, inner in zip_longest(levels, levels[1:]):
            whole = "statements" if level is levels[0] else "."
            if f"{_GW}each" not in level.attrib:
                level.set(f"{_GW}each", f"{whole} by {' '.join(self._holding(level, inner))}" if inner is not None else whole)
        for element in self.document.root.iter("*"):
            if element not in levels and not {f"{_GW}if", f"{_GW}any"} & {*map(str, element.attrib)}:
                self._condition(element)
        for operator in (self.shape.outer, *(group.operator for group in self.shape.groups)):
            for around in [] if operator is None else operator.iterancestors():
                if self.declared.optional(around) and not any(str(name).startswith(_GW) for name in around.attrib):
                    around.set(f"{_GW}if", "statements")
        if self.shape.groups:
            groups.say(self)

    def _holding(self, outer: etree._Element, inner: etree._Element) -> list[str]:
        """The fields that hold a group together: the operator's code, or what is said once for several operators."""
        around = [one for one in outer.iter("*") if one is not inner and inner not in one.iterancestors()]
        keys = [key for one in around for key, always in _keys(one) if always]
        keys = keys or [key for one in around for key, _ in _keys(one)]
        return ["tin"] if "tin" in keys else list(dict.fromkeys(keys)) or ["tin"]

    def _condition(self, element: etree._Element) -> None:
        """An optional element with holes inside is there when one of them has a value."""
        block = element in self.blocks
        if not (block or self.declared.optional(element)) or (block and self._chosen(element)):
            return
        if (
            not len(element)
            and not any("{" in str(value) for value in element.attrib.values())
            and (element.text or "").endswith("?")
        ):
            return
        keys = dict.fromkeys(key for one in element.iter("*") for key, _ in _keys(one))
        if keys and not {"tin", "standing"} & keys.keys() and not any(key.startswith(("message.", "query.", "@")) for key in keys):
            element.set(f"{_GW}if", " ".join(keys))

    def _chosen(self, block: etree._Element) -> bool:
        """Whether the XSD lets exactly one of several blocks stand."""
        child = self.declared.child(block)
        return child is not None and child.choice is not None

    def _lacks(self) -> None:
        """What every statement needs and nothing says."""
        outer = self.shape.outer
        if outer is None:
            return
        keys = {key for one in outer.iter("*") for key, _ in _keys(one)} | {key for key, _ in _keys(self.document.root)}
        at = self.document.at(outer)
        whole = {key.removeprefix("query.") for one in self.document.root.iter("*") for key, _ in _keys(one)}
        if not {"tin"} & (keys | whole):
            self.propose(
                at, "", "", Sure.QUESTION, "nothing in it is understood as the operator's code: put {tin} at one of its places"
            )
        if "standing" not in keys and not self.blocks and not self.shape.groups and "[" not in outer.get(f"{_GW}each", ""):
            whole_each = outer.get(f"{_GW}each", "")
            why = f'nothing in it says how the operator stands; where being named means that it is valid, say gw:each="{whole_each}[standing=valid]"'
            self.propose(at, "", "", Sure.QUESTION, why)

    def _put_in_order(self) -> None:
        """Everything said, in the order of the document; what is left out last."""
        order = {at: number for number, at in enumerate(self._everywhere())}

        def place(one: Proposal) -> tuple[bool, int]:
            at = one.at
            while at not in order and "/" in at:
                at = at.rpartition("/")[0]
            return one.sure is Sure.LEFT_OUT, order.get(at, -1)

        self.made.proposals += sorted(self.said, key=place)

    def _everywhere(self) -> Iterator[str]:
        for element in self.document.root.iter("*"):
            yield self.document.at(element)
            yield from (self.document.at(element, str(name)) for name in element.attrib)

    def propose(self, at: str, seen: str, hole: str, sure: Sure, why: str) -> None:
        self.said.append(Proposal(at, seen, hole, sure, why, (self.name,)))


def key_of(hole: str) -> str:
    """The name of the first hole in ``hole``: ``granted`` of ``{granted|date}Z``."""
    found = re.search(r"\{([^{}|]+)", hole)
    return found[1] if found else ""


def _optional(element: etree._Element, attribute: str | None, hole: str) -> str:
    """``?`` where it can be said; beside literal text an element takes gw:if instead."""
    return hole if hole.endswith("?") or not re.fullmatch(r"\{[^{}]*\}", hole) or (not attribute and element.attrib) else hole + "?"


def _keys(element: etree._Element) -> list[tuple[str, bool]]:
    """The fields that stand in the element itself, and whether each always does."""
    texts = [str(value) for name, value in element.attrib.items() if not str(name).startswith(_GW)] + [element.text or ""]
    found = [(key.partition("#")[0], not text.endswith("?")) for text in texts for key in re.findall(r"\{([^{}|]+)", text)]
    when = element.get(f"{_GW}when", "").partition("=")[0]
    return found + ([(when, True)] if when else [])


def _said_by(name: str) -> str:
    """The standing an element's name says, if it says one and nothing else."""
    return "" if glossary.meanings(name, "statement") else glossary.one([name], "standing") or ""
