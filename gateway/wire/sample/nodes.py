"""The tree of one annotated sample, and what its scopes hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.wire.sample.language import COUNT, Hole, Template
from gateway.wire.sample.values import TEXT

ABOUT_A_DOCUMENT = ("message.", "query.", "signatory.", COUNT)


@dataclass(frozen=True, slots=True)
class Each:
    """A repetition. ``by``: fields that hold a group together (``statements by tin``). ``inner``: one row of such a group.
    ``only``: those with one word in one field, which being there says."""

    by: tuple[str, ...] = ()
    inner: bool = False
    only: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Node:
    """One element of a sample. ``tag`` is {namespace}name, ``written`` the name with its prefix."""

    tag: str
    written: str
    line: int
    attributes: tuple[tuple[str, str, Template], ...] = ()
    text: Template | None = None
    children: tuple[Node, ...] = ()
    each: Each | None = None
    when: tuple[str, str] | None = None
    given: tuple[str, ...] = ()
    any: bool = False
    group: bool = False

    @property
    def required(self) -> bool:
        """Whether a document without it is refused. A choice is required as a whole."""
        return not (self.any or self.each or self.given or self.when or (self.text is not None and self.text.optional))

    def templates(self) -> list[Template]:
        """What stands in the element itself."""
        return [template for _, _, template in self.attributes] + ([self.text] if self.text else [])


@dataclass(slots=True)
class Holes:
    """The holes of one scope: ``all`` of them with how often each can stand in one record, and those that ``must`` be there."""

    all: dict[str, Hole] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    must: set[str] = field(default_factory=set)


def holes_of(node: Node, chosen: Mapping[str, str] | None = None) -> Holes:
    """The holes of a scope that begins at ``node``, without those of repetitions inside it.

    ``chosen`` leaves of a choice only the branch for that word.
    """
    found = Holes()
    for template in node.templates():
        for hole in template.holes:
            found.all[hole.key] = hole
            found.most[hole.key] = found.most.get(hole.key, 0) + 1
            if not template.optional and hole.value.nothing is None:
                found.must.add(hole.key)
    for field_name, branches in _branches(node.children):
        if field_name and chosen and field_name in chosen:
            branches = [branch for branch in branches if branch.when == (field_name, chosen[field_name])]
        parts = [holes_of(branch, chosen) for branch in branches]
        for part in parts:
            found.all |= part.all
        for key in {key for part in parts for key in part.most}:
            found.most[key] = found.most.get(key, 0) + max(part.most.get(key, 0) for part in parts)
        beside = field_name in found.all  # the field has a hole of its own: a word need not have a branch
        if parts and (not beside or chosen) and all(branch.required or (branch.when and not branch.given) for branch in branches):
            found.must |= set.intersection(*(part.must for part in parts))
        if field_name and not beside:
            found.all[field_name] = Hole(field_name, TEXT)
            found.most[field_name] = 1
            found.must.add(field_name)
    return found


def _branches(children: tuple[Node, ...]) -> list[tuple[str | None, list[Node]]]:
    """Children that stand together, and those of which one stands, by the field that chooses."""
    choices: dict[str, list[Node]] = {}
    alone: list[tuple[str | None, list[Node]]] = []
    for child in children:
        if child.when:
            choices.setdefault(child.when[0], []).append(child)
        elif not child.each:
            alone.append((None, [child]))
    return alone + list(choices.items())


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


def walk(node: Node) -> list[Node]:
    return [node] + [inner for child in node.children for inner in walk(child)]


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
        for _, holes in self.rows:
            found |= set(holes.all)
        found |= {node.each.only[0] for node in walk(self.root) if node.each and node.each.only}
        return frozenset(key for key in found if not key.startswith(ABOUT_A_DOCUMENT))

    @property
    def standings(self) -> frozenset[str]:
        """The standings it has words for."""
        chosen = [choice for node in walk(self.root) for choice in (node.when, node.each and node.each.only) if choice]
        holes = [holes.all["standing"] for holes in (self.record, *(holes for _, holes in self.rows)) if "standing" in holes.all]
        return frozenset(
            [word for field, word in chosen if field == "standing"] + [word for hole in holes for word in hole.value.words]
        )
