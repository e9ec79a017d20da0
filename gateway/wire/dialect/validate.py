"""What a sample must satisfy as a whole, so that whatever it writes can be read again and nothing is read in two ways."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from gateway.wire.dialect.tree import (
    ABOUT_A_DOCUMENT,
    HELD,
    Sample,
    TemplateNode,
    Track,
    discriminator,
    holes_of,
    repetitions,
    values_of,
    walk,
)

#: Where, what is wrong, what to do.
Problem = tuple[TemplateNode, str, str]


def problems(sample: Sample, bare: bool) -> Iterator[Problem]:
    """Every problem. ``bare``: records are shown and need neither identifier nor standing."""
    yield from _root(sample.root)
    for node in walk(sample.root):
        yield from _verbs(node)
        yield from _siblings(node)
        yield from _choices(node)
    yield from _rows(sample)
    yield from _scopes(sample)
    for track in sample.tracks:
        yield from _record(sample, track, bare)


def _root(root: TemplateNode) -> Iterator[Problem]:
    if root.any or root.group or root.when or root.given or (root.each and (root.each.inner or root.each.only)):
        yield root, "The root stands exactly once.", 'Of the gw attributes it may bear only gw:each="statements by ...".'


def _verbs(node: TemplateNode) -> Iterator[Problem]:
    if node.each and (node.when or node.given or node.any):
        yield node, "gw:each stands beside another verb.", "Put the other on an element inside or around it."
    if node.any and (node.children or any(template.keys for template in node.templates())):
        yield node, "What is read past has content.", "Leave an element with gw:any empty."
    if node.group and not (node.each and node.children and node.children[0].required):
        yield node, "gw:group needs gw:each, and a first element that is always there.", "It begins where its first element stands."
    inside = {key.partition("#")[0] for key in holes_of(node).all}
    for name in node.given:
        if node.given == HELD and not repetitions(node):
            yield node, "gw:if names statements, and none are repeated inside.", "Name the fields that the element holds."
        elif node.given != HELD and name not in inside:
            yield node, f"gw:if names {name}, which is no hole inside.", "Name fields that the element holds."


def _siblings(node: TemplateNode) -> Iterator[Problem]:
    groups = [child for child in node.children if child.group]
    if len(groups) > (0 if node.group else 1):
        yield groups[-1], "One gw:group stands beside or inside another.", "Give one of them an element of its own."
    grouped = {child.tag for group in groups for child in group.children}
    for tag in dict.fromkeys(child.tag for child in node.children):
        same = [child for child in node.children if child.tag == tag]
        if tag in grouped or (len(same) > 1 and discriminator(same) is None):
            remedy = "Give them one literal attribute or text, each another."
            yield same[-1], f"Nothing tells the elements {same[-1].written} apart.", remedy


def _choices(node: TemplateNode) -> Iterator[Problem]:
    beside = holes_of(replace(node, children=tuple(child for child in node.children if not child.when))).all
    for child in node.children:
        if child.when and child.given and child.when[0] not in beside:
            problem = f"A branch may be left out, and nothing else says the {child.when[0]}."
            yield child, problem, "Give the field a hole beside the branches."


def _rows(sample: Sample) -> Iterator[Problem]:
    top = [track[0][0] for track in sample.tracks]
    for track in sample.tracks:
        for depth, (node, _) in enumerate(track):
            around = track[depth - 1][0].each if depth else None
            if node.each and node.each.inner and not (around and around.by):
                yield node, 'gw:each="." stands outside a group.', 'Put it inside gw:each="statements by ..." or ". by ...".'
            if node.each and not node.each.inner and depth:
                yield node, "The statements are repeated inside a repetition.", 'Inside one, write gw:each=".".'
    for beside in (list({id(node): node for node in top}.values()), *(repetitions(node) for node, _ in sample.scopes)):
        only = [node.each.only for node in beside if node.each]
        if len(only) > 1 and (None in only or len({chosen[0] for chosen in only if chosen}) > 1 or len(set(only)) < len(only)):
            remedy = "Filter all of them on one field, each with another word."
            yield beside[-1], "A statement could be written by two repetitions.", remedy


def _scopes(sample: Sample) -> Iterator[Problem]:
    scopes = [(node, holes) for node, holes in sample.scopes if node is not sample.root]
    for node, holes in ((sample.root, sample.top), *scopes):
        for key, times in holes.most.items():
            about_a_document = key.startswith(ABOUT_A_DOCUMENT)
            if times > 1:
                yield node, f"{{{key}}} stands twice.", "Each value has one place."
            if about_a_document and node is not sample.root:
                yield node, f"{{{key}}} is about the document and stands inside a repetition.", "Put it outside."
            if not about_a_document and node is sample.root and node is not sample.outer:
                remedy = 'Put it inside gw:each="statements".'
                yield node, f"{{{key}}} is about a statement and stands outside every repetition.", remedy


def _record(sample: Sample, track: Track, bare: bool) -> Iterator[Problem]:
    innermost = track[-1][0]
    given = values_of(track)
    filters = [node.each.only[0] for node, _ in track if node.each and node.each.only]
    times = Counter([key for _, holes in track for key in holes.all] + filters)
    for key in sorted(key for key, often in times.items() if often > 1 and not key.startswith(ABOUT_A_DOCUMENT)):
        yield innermost, f"{{{key}}} stands in the group and in its rows.", "Each value has one place."
    said = {key.partition("#")[0] for _, holes in track for key in holes.must} | given.keys()
    said |= {key.removeprefix("query.") for key in sample.top.must}
    for name in () if bare else ("tin", "standing"):
        if name not in said:
            yield innermost, f"Nothing says the {name} of a statement.", f"Give it a required hole, or {{query.{name}}} outside."
    for node, holes in track:
        places = {key.partition("#")[0] for key in holes.all}
        for name in node.each.by if node.each else ():
            if name not in places:
                yield (
                    node,
                    f"{name} holds the group together and does not stand in it.",
                    "Give it a hole in the group, outside its rows.",
                )
