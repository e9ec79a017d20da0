"""One sample, drafted from one message: the passes, in their order.

The sketch begins as the message, with everything that repeats laid over its first appearance (``structure.py``). Each pass is a function
over that one ``Sketch``, in a file of its own. They run in this order because each relies on the ones before:

1. ``aside``: answers about whole elements, and elements that no hole can stand for. Nobody need look into them any more.
2. ``blocks``: elements that appear by status. A field may have a place in each of them, which has to be known before one is taken.
3. ``places``: a guess for every attribute and leaf, while the tree still holds nothing but the partner's own texts.
4. ``settle``: each place gets its hole, the surest first, since a field has one place and the surer guess is to have it.
5. ``complete``: what the XSD allows and no message shows. What is shown had the first claim on each field.
6. ``verbs``: what repeats and what may be absent, said by the fields that stand in it: no hole moves after this.
7. ``grouping``: the operator, finished, is copied into every other group of operators.
8. ``needs``: what every statement needs and nothing says becomes a question.
"""

from __future__ import annotations

from collections.abc import Iterator

from lxml import etree

from gateway.onboarding.draft.aside import set_aside
from gateway.onboarding.draft.blocks import find_blocks
from gateway.onboarding.draft.complete import complete
from gateway.onboarding.draft.declared import XsdFacts
from gateway.onboarding.draft.document import SampleDocument
from gateway.onboarding.draft.grouping import fill_groups
from gateway.onboarding.draft.model import Draft, DraftAnswers, Proposal, Sure
from gateway.onboarding.draft.needs import ask_what_lacks
from gateway.onboarding.draft.places import every_spot
from gateway.onboarding.draft.settle import settle
from gateway.onboarding.draft.sketch import Sketch, begin
from gateway.onboarding.draft.verbs import put_verbs


def draft_sample(
    name: str,
    document: SampleDocument,
    declared: XsdFacts,
    *,
    prefixes: tuple[str, ...],
    levels: tuple[str, ...],
    answers: DraftAnswers,
    draft: Draft,
) -> bytes:
    """The annotated sample called ``name``, made of ``document``, whose tree it uses up. What a person should look at is added to ``draft``."""
    sketch = begin(name, document, declared, prefixes=prefixes, levels=levels, answers=answers, draft=draft)
    set_aside(sketch)
    find_blocks(sketch)
    for spot in every_spot(sketch):
        settle(sketch, spot)
    complete(sketch)
    put_verbs(sketch)
    fill_groups(sketch)
    ask_what_lacks(sketch)
    etree.indent(document.root)
    draft.proposals += _in_order(sketch)
    return etree.tostring(document.root, encoding="utf-8") + b"\n"


def _in_order(sketch: Sketch) -> list[Proposal]:
    """Everything proposed, in the order of the document; what is left out last."""
    order = {at: number for number, at in enumerate(_everywhere(sketch))}

    def place(one: Proposal) -> tuple[bool, int]:
        at = one.at
        while at not in order and "/" in at:
            at = at.rpartition("/")[0]
        return one.sure is Sure.LEFT_OUT, order.get(at, -1)

    return sorted(sketch.proposals, key=place)


def _everywhere(sketch: Sketch) -> Iterator[str]:
    for element in sketch.document.root.iter("*"):
        yield sketch.document.at(element)
        yield from (sketch.document.at(element, str(name)) for name in element.attrib)
