"""A sample file into a tree of nodes, with every fault of the file."""

from __future__ import annotations

import re
from dataclasses import replace

from lxml import etree

from gateway.core.errors import Refusal
from gateway.core.model import Standing
from gateway.wire.dialect.faults import Fault
from gateway.wire.dialect.template import COUNT, DAYS, FIELDS, Template, TemplateFault
from gateway.wire.dialect.tree import Each, Sample, TemplateNode, holes_of, repetitions, tracks
from gateway.wire.dialect.validate import problems
from gateway.wire.dialect.vocabulary import Vocabulary
from gateway.wire.xml import Limits, parse

SAMPLE = "urn:aeo-gateway:sample"
_GW = f"{{{SAMPLE}}}"
_LIMITS = Limits(bytes=256 * 1024)
_EACH = re.compile(r"(?:statements|\.)(?: by ([a-z_]+(?: [a-z_]+)*))?(?:\[([a-z_]+)=([^\]]+)\])?")
_WHEN = re.compile(r"([a-z_]+)=(.+)")


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
        outers = [root] if root.each else repetitions(root)
        sample = Sample(self.file, root, self.namespaces, holes_of(root), tuple(track for one in outers for track in tracks(one)))
        for node, problem, remedy in problems(sample, self.vocabulary.bare):
            self.fault(node.line, problem, remedy)
        return None if self.faults else sample

    # -- elements ------------------------------------------------------------------------------------------------------------

    def _node(self, element: etree._Element) -> TemplateNode:
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
        node = TemplateNode(
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
        return replace(node, counts=COUNT in holes_of(node).all and bool(repetitions(node)))

    def _contents(
        self, element: etree._Element, children: tuple[TemplateNode, ...], line: int
    ) -> tuple[Template | None, tuple[tuple[str, str, Template], ...]]:
        stray = [element.text or ""] + [child.tail or "" for child in element]
        text = None
        if children and any(piece.strip() for piece in stray):
            self.fault(line, "Text stands between elements.", "Give the text an element of its own.")
        if not children:
            text = self._template("".join(stray).strip(), line)
            if text is not None and text.ignored:
                self.fault(line, "{@any} stands in an element.", "It is for attributes; an element that is read past bears gw:any.")
        attributes = []
        for name, value in element.attrib.items():
            if not str(name).startswith(_GW) and (template := self._template(str(value), line)):
                attributes.append((str(name), self._written(name), template))
        return text, tuple(attributes)

    def _template(self, text: str, line: int) -> Template | None:
        try:
            return self.vocabulary.template(text)
        except TemplateFault as fault:
            self.fault(line, f"{fault.problem[:1].upper()}{fault.problem[1:]}.", fault.remedy)
            return None

    def _each(self, value: str, line: int) -> Each:
        found = _EACH.fullmatch(value)
        named = [*(found[1] or "").split(), *([found[2]] if found[2] else [])] if found else []
        if found is None or not set(named) <= FIELDS:
            self.fault(
                line,
                f"gw:each={value!r} is not understood.",
                'Write "statements" or ".", either with " by tin" after it, and any of them with [standing=suspended] after it.',
            )
            return Each()
        only = self._word(found[2], found[3], line) if found[2] else None
        return Each(by=tuple((found[1] or "").split()), inner=value.startswith("."), only=only)

    def _word(self, field: str, word: str, line: int) -> tuple[str, str]:
        """A field and the word of ours that an element stands for."""
        if field == "standing" and word in set(Standing) - {Standing.DELISTED}:
            return field, Standing(word)
        if field in ("standing", *DAYS):
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
        prefix = next((prefix for prefix, uri in self.namespaces.items() if prefix and uri == qualified.namespace), None)
        return f"{prefix}:{qualified.localname}" if prefix else qualified.localname
