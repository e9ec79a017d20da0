"""Second pass: blocks that appear by status, as ``<Suspension>`` does where an operator is suspended.

They are branches of a choice, or optional elements, that are called by the standing they stand for. Each gets ``gw:when``; those that the
XSD knows and the message does not show are added, for a message about another operator will hold them. This comes before places are
judged, since a field may have a place in each of the blocks.
"""

from __future__ import annotations

from lxml import etree

from gateway.onboarding import glossary
from gateway.onboarding.draft import absent
from gateway.onboarding.draft.declared import children
from gateway.onboarding.draft.model import Sure
from gateway.onboarding.draft.sketch import GW, Sketch, standing_named


def find_blocks(sketch: Sketch) -> None:
    """Marks the blocks of every element inside a statement, where at least two standings or a status beside them make it one."""
    for parent in list(sketch.document.root.iter("*")):
        declaration = sketch.declared.of(parent) if sketch.in_statement(parent) else None
        known = [(one, standing_named(one.declaration.local_name)) for one in children(declaration)]
        named = [(one, standing) for one, standing in known if standing and (one.choice is not None or one.least == 0)]
        if len({standing for _, standing in named}) < 2 and not (named and _status_beside(parent)):
            continue
        for one, standing in named:
            block = next((child for child in parent if one.declaration.match(str(child.tag)) is not None), None)
            if block is None:
                block = absent.add(parent, declaration, one)
                absent.skeleton(block, one.declaration)
            _mark(sketch, block, standing)
        choices = {one.choice for one, standing in known if standing and one.choice is not None}
        for one, standing in known:
            if one.choice in choices and not standing:
                why = "it stands in place of a status, and no word tells which"
                sketch.leave_out(parent, one.declaration.local_name, Sure.QUESTION, why)


def _mark(sketch: Sketch, block: etree._Element, standing: str) -> None:
    if f"{GW}when" not in block.attrib and f"{GW}any" not in block.attrib:
        block.set(f"{GW}when", f"standing={standing}")
        hole = f'gw:when="standing={standing}"'
        sketch.propose(sketch.document.at(block), "", hole, Sure.LIKELY, "the element is called by what it says")
    sketch.blocks[block] = standing


def _status_beside(parent: etree._Element) -> bool:
    """Whether something in ``parent``, or an attribute of it, is called a status."""
    names = (etree.QName(str(name)).localname for one in parent for name in (one.tag, *one.attrib) if isinstance(one.tag, str))
    return any(glossary.first_meaning([name], "statement") == "standing" for name in (*names, *map(str, parent.attrib)))
