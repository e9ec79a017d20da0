"""The code lists a draft needs: what each of the partner's codes means, or that nobody knows yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from gateway.onboarding import glossary
from gateway.onboarding.draft.model import Draft, DraftAnswers

#: Fields whose values are words of ours behind codes of theirs.
LISTS = ("standing", "level", "role")
_LIST = re.compile(r"\{([a-z_.#]+)\|([a-z_]+)")


def collect(
    draft: Draft, hole: str, codes: Iterable[str], levels: tuple[str, ...], answers: DraftAnswers, explained: Mapping[str, str]
) -> None:
    """Adds ``codes`` to the list that ``hole`` names, each with its meaning; what has none is a question.

    ``explained`` is what the XSD's documentation says of a code, in the partner's words.
    """
    found = _LIST.match(hole)
    if found is None or found[2] in ("date", "datetime", "moment", "int", "pad", "bare", "none"):
        return
    name = found[2]
    words = draft.codes.setdefault(name, dict(answers.codes.get(name, {})))
    asked = draft.open_codes.setdefault(name, [])
    for code in sorted(set(codes) - words.keys() - set(asked)):
        if code in explained:
            draft.documented.setdefault(name, {})[code] = explained[code]
        if meant := _meant(found[1], code, levels, explained.get(code, "")):
            words[code] = meant
        else:
            asked.append(code)
    if not asked:
        del draft.open_codes[name]


def _meant(field: str, code: str, levels: tuple[str, ...], explained: str) -> str | None:
    if field == "standing":
        by_code = glossary.first_meaning([code], "standing") or ""
        by_text = glossary.exact_meaning(explained, "standing")
        if explained and by_code != by_text:
            # Where code and text disagree, or the text says more than a word, a person reads it.
            return None if by_code else by_text or None
        return by_code or None
    if field.startswith("message."):
        return code  # who speaks is called as it is written
    return code if field == "level" and code in levels else None
