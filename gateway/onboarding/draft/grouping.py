"""Seventh pass: operators that stand in several groups, ``<Active>...</Active><Suspended>...</Suspended>``.

Which groups there are is found at the beginning (``groups.py``), and only the operator of the first is drafted. Here it is copied to
where each of the others has its own, with what standing there says: ``gw:each="statements[standing=suspended]"``. All other changes
to an operator have to be made before.
"""

from __future__ import annotations

from copy import deepcopy

from lxml import etree

from gateway.onboarding.draft import absent
from gateway.onboarding.draft.groups import Group
from gateway.onboarding.draft.model import Sure
from gateway.onboarding.draft.sketch import GW, Sketch

_EACH, _IF = f"{GW}each", f"{GW}if"


def fill_groups(sketch: Sketch) -> None:
    """Gives every group the drafted operator, and to each what being there says, or the question what it does."""
    outer = sketch.shape.outer
    if outer is None or not sketch.shape.groups:
        return
    each = outer.get(_EACH, "").partition("[")[0]
    pattern = deepcopy(outer)
    for group in sketch.shape.groups:
        operator = outer if group.operator is outer else _operator(sketch, group, pattern)
        operator.set(_EACH, _filter(sketch, group, each))


def _filter(sketch: Sketch, group: Group, each: str) -> str:
    """The ``gw:each`` of one group's operators, from ``each`` that all of them share."""
    answer = sketch.verb(group.at)
    if answer and answer[1] == "each":
        sketch.propose(group.at, "", answer[0], Sure.ANSWERED, "a person said so")
        return answer[2] or ""
    if not group.standing:
        why = f'operators stand in several groups: say what it means to stand in this one, as gw:each="{each}[standing=valid]"'
        sketch.propose(group.at, "", "", Sure.QUESTION, why)
        return each
    filtered = f"{each}[standing={group.standing}]"
    why = "its group is called by what it says"
    if group.operator is None:
        why += "; the XSD allows it, no message shows it, and it is of the same form"
    sketch.propose(group.at, "", f'gw:each="{filtered}"', Sure.LIKELY, why)
    return filtered


def _operator(sketch: Sketch, group: Group, pattern: etree._Element) -> etree._Element:
    """The drafted operator, copied to where ``group`` has its own."""
    copy = deepcopy(pattern)
    if group.operator is not None:
        group.operator.getparent().replace(group.operator, copy)  # type: ignore[union-attr] # it stands in its group
        return copy
    first = sketch.shape.groups[0].element
    assert first is not None, "the first group is one that the message shows"
    assert group.child is not None, "a group that no message shows was found in the XSD"
    parent = first.getparent()
    assert parent is not None, "a group is not the whole document"
    added = absent.add(parent, sketch.declared.of(parent), group.child)
    for name, value in first.attrib.items():
        added.set(name, value)
    added.extend(deepcopy(list(first)))
    if group.child.least == 0:
        added.set(_IF, "statements")
    else:
        added.attrib.pop(_IF, None)
    return next(one for one in added.iter(str(pattern.tag)) if _EACH in one.attrib)
