"""Last pass: what every statement needs, a code and a standing, and nothing in the sample says. It changes nothing and only asks."""

from __future__ import annotations

from gateway.onboarding.draft.model import Sure
from gateway.onboarding.draft.sketch import GW, Sketch, keys_in


def ask_what_lacks(sketch: Sketch) -> None:
    """Asks for the operator's code, and for how the operator stands, where the sample holds no place for them."""
    outer, root = sketch.shape.outer, sketch.document.root
    if outer is None:
        return
    at = sketch.document.at(outer)
    anywhere = {key.removeprefix("query.") for one in root.iter("*") for key, _ in keys_in(one)}
    keys = {key for one in (*outer.iter("*"), root) for key, _ in keys_in(one)}
    if "tin" not in keys | anywhere:
        why = "nothing in it is understood as the operator's code: put {tin} at one of its places"
        sketch.propose(at, "", "", Sure.QUESTION, why)
    each = outer.get(f"{GW}each", "")
    if "standing" not in keys and not sketch.blocks and not sketch.shape.groups and "[" not in each:
        why = f'nothing in it says how the operator stands; where being named means that it is valid, say gw:each="{each}[standing=valid]"'
        sketch.propose(at, "", "", Sure.QUESTION, why)
