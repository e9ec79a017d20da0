"""A sample file into a tree of nodes, with every fault of the file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lxml import etree

from gateway.core.errors import Refusal
from gateway.core.model import Standing
from gateway.wire.sample import language
from gateway.wire.sample.faults import Fault
from gateway.wire.sample.language import COUNT, FIELDS, Each, Holes, Ill, Node, Template, Vocabulary, holes_of
from gateway.wire.xml import Limits, parse

SAMPLE = "urn:aeo-gateway:sample"
_GW = f"{{{SAMPLE}}}"
_LIMITS = Limits(bytes=256 * 1024)
_EACH = re.compile(r"statements(?: by ([a-z_]+(?: [a-z_]+)*))?|\.(?:\[([a-z_]+)=([^\]]+)\])?")
_WHEN = re.compile(r"([a-z_]+)=(.+)")
_ABOUT_A_DOCUMENT = ("message.", "query.", "signatory.", COUNT)


@dataclass(frozen=True, slots=True)
class Sample:
    """One face of one message kind. ``outer`` is the repeated node, if any; ``rows`` are its inner repetitions."""

    file: str
    root: Node
    namespaces: dict[str | None, str]
    top: Holes
    outer: Node | None
    record: Holes
    rows: tuple[tuple[Node, Holes], ...]

    @property
    def fields(self) -> frozenset[str]:
        """Fields a record of this sample can carry, as they are named in the sample (parts for composed ones)."""
        found = set(self.record.all)
        for node, holes in self.rows:
            found |= set(holes.all) | ({node.each.only[0]} if node.each and node.each.only else set())
        return frozenset(key for key in found if not key.startswith(_ABOUT_A_DOCUMENT))

    @property
    def standings(self) -> frozenset[str]:
        """The standings it has words for."""
        chosen = [choice for node in _walk(self.root) for choice in (node.when, node.each and node.each.only) if choice]
        holes = [holes.all["standing"] for holes in (self.record, *(holes for _, holes in self.rows)) if "standing" in holes.all]
        return frozenset(
            [word for field, word in chosen if field == "standing"] + [word for hole in holes for word in hole.value.words]
        )


class Reader:
    """Reads one sample file; ``faults`` grows as it goes."""

    def __init__(self, file: str, vocabulary: Vocabulary) -> None:
        self.file, self.vocabulary = file, vocabulary
        self.faults: list[Fault] = []
        self.namespaces: dict[str | None, str] = {}

    def fault(self, line: int, problem: str, remedy: str) -> None:
        self.faults.append(Fault(self.file, f"line {line}", problem, remedy))

    def read(self, data: bytes) -> Sample | None:
        """The sample, or None with the reasons in ``faults``."""
        try:
            element = parse(data, _LIMITS, signed=False)
        except Refusal as refusal:
            self.fault(refusal.line or 1, refusal.detail, refusal.remedy)
            return None
        root = self._node(element)
        top, record = holes_of(root), Holes()
        outers = [node for node in _walk(root) if node.each and not node.each.inner]
        outer = outers[0] if outers else None
        for extra in outers[1:]:
            self.fault(extra.line, "The statements are repeated in a second place.", "Keep one; split blocks by gw:each inside it.")
        if outer:
            record = top if outer is root else holes_of(outer)
        rows = [node for node in _walk(root) if node.each and node.each.inner]
        sample = Sample(self.file, root, self.namespaces, top, outer, record, tuple((row, holes_of(row)) for row in rows))
        self._check_places(sample)
        self._check_scopes(sample)
        self._check_siblings(root)
        return None if self.faults else sample

    # -- elements ------------------------------------------------------------------------------------------------------------

    def _node(self, element: etree._Element) -> Node:
        line = element.sourceline or 0
        self._namespaces(element)
        verbs = {name[len(_GW) :]: value for name, value in element.attrib.items() if name.startswith(_GW)}
        for verb in verbs.keys() - {"each", "when", "if", "any"}:
            self.fault(line, f"There is no gw:{verb}.", "Use gw:each, gw:when, gw:if or gw:any.")
        children = tuple(self._node(child) for child in element if isinstance(child.tag, str))
        text, attributes = self._contents(element, children, line)
        when = _WHEN.fullmatch(verbs["when"]) if "when" in verbs else None
        if "when" in verbs and (when is None or when[1] not in FIELDS):
            self.fault(line, f"gw:when={verbs['when']!r} names no field and word.", 'Write gw:when="standing=revoked".')
        return Node(
            tag=str(element.tag),
            written=self._written(element.tag),
            line=line,
            attributes=attributes,
            text=text,
            children=children,
            each=self._each(verbs["each"], line) if "each" in verbs else None,
            when=self._word(when[1], when[2], line) if when else None,
            given=tuple(verbs.get("if", "").split()),
            any="any" in verbs,
            group=element.tag == f"{_GW}group",
        )

    def _contents(
        self, element: etree._Element, children: tuple[Node, ...], line: int
    ) -> tuple[Template | None, tuple[tuple[str, str, Template], ...]]:
        stray = [element.text or ""] + [child.tail or "" for child in element]
        text = None
        if children and any(piece.strip() for piece in stray):
            self.fault(line, "Text stands between elements.", "Give the text an element of its own.")
        if not children:
            text = self._template("".join(stray).strip(), line)
        attributes = []
        for name, value in element.attrib.items():
            if not str(name).startswith(_GW) and (template := self._template(str(value), line)):
                attributes.append((str(name), self._written(name), template))
        return text, tuple(attributes)

    def _template(self, text: str, line: int) -> Template | None:
        try:
            return self.vocabulary.template(text)
        except Ill as ill:
            self.fault(line, f"{ill.problem[:1].upper()}{ill.problem[1:]}.", ill.remedy)
            return None

    def _each(self, value: str, line: int) -> Each:
        found = _EACH.fullmatch(value)
        named = [*(found[1] or "").split(), *([found[2]] if found[2] else [])] if found else []
        if found is None or not set(named) <= FIELDS:
            self.fault(
                line,
                f"gw:each={value!r} is not understood.",
                'Write "statements", "statements by tin", "." or ".[standing=suspended]".',
            )
            return Each()
        if value.startswith("."):
            return Each(inner=True, only=self._word(found[2], found[3], line) if found[2] else None)
        return Each(by=tuple(named))

    def _word(self, field: str, word: str, line: int) -> tuple[str, str]:
        """A field and the word of ours that an element stands for."""
        if field == "standing" and word in set(Standing) - {Standing.DELISTED}:
            return field, Standing(word)
        if field in ("standing", *language.DAYS):
            self.fault(
                line, f"{field} cannot be {word!r}.", "Name a standing that can be said, or a word of a field that holds words."
            )
        return field, word

    def _namespaces(self, element: etree._Element) -> None:
        for prefix, uri in element.nsmap.items():
            if uri != SAMPLE and self.namespaces.setdefault(prefix, uri) != uri:
                self.fault(
                    element.sourceline or 0,
                    f"The prefix {prefix or 'of no name'} changes its meaning.",
                    "Declare each prefix once, on the root.",
                )
        if None in self.namespaces and not str(element.tag).startswith("{"):
            self.fault(
                element.sourceline or 0,
                "An element of no namespace stands beside a default namespace.",
                "Give the namespace a prefix.",
            )

    def _written(self, name: object) -> str:
        """A name with its prefix as it stood in the sample."""
        qualified = etree.QName(str(name))
        if qualified.namespace is None:
            return qualified.localname
        if qualified.namespace == "http://www.w3.org/XML/1998/namespace":
            return f"xml:{qualified.localname}"
        prefix = next((prefix for prefix, uri in self.namespaces.items() if uri == qualified.namespace), None)
        return f"{prefix}:{qualified.localname}" if prefix else qualified.localname

    # -- what the whole must satisfy -----------------------------------------------------------------------------------------

    def _check_places(self, sample: Sample) -> None:
        root = sample.root
        if root.any or root.group or root.when or root.given or (root.each and root.each.inner):
            self.fault(
                root.line, "The root stands exactly once.", 'Of the gw attributes it may bear only gw:each="statements by ...".'
            )
        inside = set(map(id, _walk(sample.outer))) if sample.outer else set()
        for node, _ in sample.rows:
            if id(node) not in inside or not (sample.outer and sample.outer.each and sample.outer.each.by):
                self.fault(node.line, 'gw:each="." stands outside a group.', 'Put it inside gw:each="statements by ...".')
        for node in _walk(root):
            if node.any and (node.children or any(template.keys for template in node.templates())):
                self.fault(node.line, "What is read past has content.", "Leave an element with gw:any empty.")
            if node.when and node.given and node.when[0] not in self._said_beside(root, node):
                self.fault(
                    node.line,
                    f"A branch may be left out, and nothing else says the {node.when[0]}.",
                    "Give the field a hole beside the branches.",
                )
            if node.group and not (node.each and node.children and node.children[0].required):
                self.fault(
                    node.line,
                    "gw:group needs gw:each, and a first element that is always there.",
                    "Each repetition begins where its first element stands.",
                )
            inner_keys = holes_of(node).all
            for name in node.given:
                if not any(key.partition("#")[0] == name for key in inner_keys):
                    self.fault(node.line, f"gw:if names {name}, which is no hole inside.", "Name fields that the element holds.")
        only = [node.each.only for node, _ in sample.rows if node.each]
        if len(only) > 1 and (None in only or len({chosen[0] for chosen in only if chosen}) > 1 or len(set(only)) < len(only)):
            self.fault(
                sample.rows[0][0].line,
                "A statement could be written by two repetitions.",
                "Filter all of them on one field, each with another word.",
            )

    @staticmethod
    def _said_beside(root: Node, branch: Node) -> set[str]:
        """The holes that stand beside a branch, in the same parent."""
        parent = next(node for node in _walk(root) if branch in node.children)
        return set(holes_of(replace(parent, children=tuple(child for child in parent.children if not child.when))).all)

    def _check_scopes(self, sample: Sample) -> None:
        scopes = (
            [(sample.root, sample.top)]
            + ([(sample.outer, sample.record)] if sample.outer not in (None, sample.root) else [])
            + list(sample.rows)
        )
        for node, holes in scopes:
            assert node is not None
            for key, times in holes.most.items():
                if times > 1:
                    self.fault(node.line, f"{{{key}}} stands twice.", "Each value has one place.")
            for key in holes.all:
                about_document = key.startswith(_ABOUT_A_DOCUMENT)
                if node is not sample.root and about_document:
                    self.fault(node.line, f"{{{key}}} is about the document and stands inside a repetition.", "Put it outside.")
                if node is sample.root and sample.outer is not node and not about_document:
                    self.fault(
                        node.line,
                        f"{{{key}}} is about a statement and stands outside every repetition.",
                        'Put it inside gw:each="statements".',
                    )
        if sample.outer is None:
            return
        rows: list[tuple[Node, Holes]] = list(sample.rows) or [(sample.outer, Holes())]
        for node, holes in rows:
            shared = set(holes.all) & set(sample.record.all)
            for key in sorted(shared):
                self.fault(node.line, f"{{{key}}} stands in the group and in its rows.", "Each value has one place.")
            filled = set(sample.record.must) | set(holes.must) | ({node.each.only[0]} if node.each and node.each.only else set())
            self._check_complete(sample, node, {key.partition("#")[0] for key in filled})
        assert sample.outer.each is not None
        for name in sample.outer.each.by:
            if name not in {key.partition("#")[0] for key in sample.record.must}:
                self.fault(
                    sample.outer.line,
                    f"{name} holds the group together and is not always there.",
                    "Give it a required hole in the group.",
                )

    def _check_complete(self, sample: Sample, node: Node, filled: set[str]) -> None:
        if self.vocabulary.bare:
            return
        for name in ("tin", "standing"):
            if name not in filled and f"query.{name}" not in sample.top.must:
                self.fault(
                    node.line, f"Nothing says the {name} of a statement.", f"Give it a required hole, or {{query.{name}}} outside."
                )

    def _check_siblings(self, node: Node) -> None:
        children = [inner for child in node.children for inner in (child.children if child.group else (child,))]
        for tag in {child.tag for child in children}:
            same = [child for child in children if child.tag == tag]
            if len(same) > 1 and discriminator(same) is None:
                self.fault(
                    same[1].line,
                    f"Nothing tells the elements {same[1].written} apart.",
                    "Give them one literal attribute or text, each another.",
                )
        for child in node.children:
            self._check_siblings(child)


def guards(node: Node) -> dict[tuple[str, str], str]:
    """Literals by which an element is recognised: its attributes, and the texts of its direct children that are always there."""
    found: dict[tuple[str, str], str] = {
        ("@", name): literal for name, _, template in node.attributes if (literal := template.literal) is not None
    }
    for child in node.children:
        if child.required and child.text and child.text.literal and not child.attributes:
            found[("/", child.tag)] = child.text.literal
    return found


def discriminator(nodes: Sequence[Node]) -> tuple[str, str] | None:
    """The literal by which elements of one name are told apart: each has it, and each has another."""
    literals = [guards(node) for node in nodes]
    for key in literals[0]:
        if len({found.get(key) for found in literals} - {None}) == len(nodes):
            return key
    return None


def _walk(node: Node) -> list[Node]:
    return [node] + [inner for child in node.children for inner in _walk(child)]
