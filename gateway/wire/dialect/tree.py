"""The tree of one annotated sample, and what its scopes hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.wire.dialect.template import COUNT, Hole, Template
from gateway.wire.dialect.values import TEXT

ABOUT_A_DOCUMENT = ("message.", "query.", "signatory.", COUNT)
#: ``gw:if="statements"``: there if one of the repetitions inside holds something.
HELD = ("statements",)


@dataclass(frozen=True, slots=True)
class Each:
    """A repetition. ``by``: fields that hold a group together (``statements by tin``). ``inner``: one row of such a group, or a
    group inside it (``. by tin``). ``only``: those with one word in one field, which being there says."""

    by: tuple[str, ...] = ()
    inner: bool = False
    only: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TemplateNode:
    """One element of a sample. ``tag`` is {namespace}name, ``written`` the name with its prefix."""

    tag: str
    written: str
    line: int
    attributes: tuple[tuple[str, str, Template], ...] = ()
    text: Template | None = None
    children: tuple[TemplateNode, ...] = ()
    each: Each | None = None
    when: tuple[str, str] | None = None
    given: tuple[str, ...] = ()
    any: bool = False
    group: bool = False
    counts: bool = False  # {@count} stands in it and says how many it lists

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


def holes_of(node: TemplateNode, chosen: Mapping[str, str] | None = None) -> Holes:
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
        parts = [_outside(branch, holes_of(branch, chosen)) for branch in branches]
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


def _outside(node: TemplateNode, holes: Holes) -> Holes:
    """What the holes of ``node`` mean to the element around it: how many ``node`` lists is its own affair."""
    if node.counts:
        holes.all.pop(COUNT)
        holes.most.pop(COUNT)
        holes.must.discard(COUNT)
    return holes


def _branches(children: tuple[TemplateNode, ...]) -> list[tuple[str | None, list[TemplateNode]]]:
    """Children that stand together, and those of which one stands, by the field that chooses."""
    choices: dict[str, list[TemplateNode]] = {}
    alone: list[tuple[str | None, list[TemplateNode]]] = []
    for child in children:
        if child.when:
            choices.setdefault(child.when[0], []).append(child)
        elif not child.each:
            alone.append((None, [child]))
    return alone + list(choices.items())


def guards(node: TemplateNode) -> dict[tuple[str, str], str]:
    """Literals by which an element is recognised: its attributes, and the texts of its direct children that are always there."""
    found: dict[tuple[str, str], str] = {
        ("@", name): literal for name, _, template in node.attributes if (literal := template.literal) is not None
    }
    for child in node.children:
        if child.required and child.text and child.text.literal and not child.attributes:
            found[("/", child.tag)] = child.text.literal
    return found


def discriminator(nodes: Sequence[TemplateNode]) -> tuple[str, str] | None:
    """The literal by which elements of one name are told apart: each has it, and each has another."""
    literals = [guards(node) for node in nodes]
    for key in literals[0]:
        if len({found.get(key) for found in literals} - {None}) == len(nodes):
            return key
    return None


def walk(node: TemplateNode) -> list[TemplateNode]:
    return [node] + [inner for child in node.children for inner in walk(child)]


def repetitions(node: TemplateNode) -> list[TemplateNode]:
    """The nearest repetitions inside ``node``: what its scope hands its records to."""
    return [one for child in node.children for one in ([child] if child.each else repetitions(child))]


def holds_operators(node: TemplateNode) -> bool:
    """Whether what is repeated inside the repetition ``node`` are operators, each to be counted, and not the statements about one."""
    inside = [template for one in repetitions(node) for part in walk(one) for template in part.templates()]
    return any(key.partition("#")[0] == "tin" for template in inside for key in template.keys)


#: The repetitions a record goes through, from the outermost to the one that holds nothing but it, each with the holes of its scope.
Track = tuple[tuple[TemplateNode, Holes], ...]


def tracks(node: TemplateNode) -> Iterator[Track]:
    """Every way from the repetition ``node`` to one record."""
    here = (node, holes_of(node))
    inside = repetitions(node)
    yield from ((here, *further) for one in inside for further in tracks(one)) if inside else [(here,)]


def values_of(track: Track) -> dict[str, str]:
    """What a record says by being there."""
    return dict([node.each.only for node, _ in track if node.each and node.each.only])


@dataclass(frozen=True, slots=True)
class Sample:
    """One face of one message kind. A record of it goes along exactly one of the ``tracks``; there is none where it holds no records."""

    file: str
    root: TemplateNode
    namespaces: dict[str | None, str]
    top: Holes
    tracks: tuple[Track, ...]

    @property
    def name(self) -> str:
        """``response.not-found``: the file without its ending."""
        return self.file.removesuffix(".xml")

    @property
    def outer(self) -> TemplateNode | None:
        """The repetition that the first operator stands in, if any."""
        return self.tracks[0][0][0] if self.tracks else None

    @property
    def rows(self) -> tuple[tuple[TemplateNode, Holes], ...]:
        """The innermost repetitions, where they stand inside others."""
        return tuple(track[-1] for track in self.tracks if len(track) > 1)

    @property
    def scopes(self) -> tuple[tuple[TemplateNode, Holes], ...]:
        """Every repetition once."""
        found = {id(node): (node, holes) for track in self.tracks for node, holes in track}
        return tuple(found.values())

    @property
    def must(self) -> frozenset[str]:
        """What no record along some track can be without, but for what only some standings have a place for."""
        outers = {id(track[0][0]) for track in self.tracks}
        always = [holes for node, holes in self.scopes if id(node) in outers or not (node.each and node.each.only)]
        return frozenset(key for holes in always for key in holes.must)

    @property
    def fields(self) -> frozenset[str]:
        """Fields a record of this sample can carry, as they are named in the sample (parts for composed ones)."""
        found = {key for _, holes in self.scopes for key in holes.all}
        found |= {field for track in self.tracks for field in values_of(track)}
        return frozenset(key for key in found if not key.startswith(ABOUT_A_DOCUMENT))

    @property
    def standings(self) -> frozenset[str]:
        """The standings it has words for."""
        chosen = [choice for node in walk(self.root) for choice in (node.when, node.each and node.each.only) if choice]
        holes = [holes.all["standing"] for _, holes in self.scopes if "standing" in holes.all]
        return frozenset(
            [word for field, word in chosen if field == "standing"] + [word for hole in holes for word in hole.value.words]
        )
