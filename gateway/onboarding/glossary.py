"""What names in a partner's XSD may mean: words of six languages, looked up, never concluded."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

Phrases = Mapping[str, tuple[tuple[str, ...], ...]]
_CJK = re.compile(r"[\u4e00-\u9fff]+")
#: Words that turn a standing into another one, or into a past one.
_DENYING = frozenset(
    [
        "not",
        "no",
        "non",
        "un",
        "never",
        "ex",
        "former",
        "formerly",
        "previously",
        "pas",
        "plus",
        "ne",
        "jamais",
        "ya",
        "nao",
        "sem",
        "nunca",
        "не",
        "нет",
        "бывш",
    ]
)
_DENYING_CJK = frozenset("不未非曾")
#: Words that join others and tell nothing.
_JOINING = frozenset(["of", "the", "de", "del", "la", "le", "du", "da", "do", "des"])


def words(name: str) -> tuple[str, ...]:
    """``NumeroCertificado``, ``numéro_certificado`` and ``NUMERO-DE-CERTIFICADO`` alike: ``("numero", "certificado")``. ``AEOCode`` is two."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    around = zip(" " + plain, plain, plain[1:] + " ", strict=False)
    spaced = "".join(
        f" {c}" if c.isupper() and (before.islower() or (before.isupper() and after.islower())) else c if c.isalnum() else " "
        for before, c, after in around
    )
    return tuple(word for word in spaced.lower().split() if word not in _JOINING)


@cache
def phrases(table: str) -> Phrases:
    """The phrases of one table, split into words, by what they stand for."""
    data = tomllib.loads((Path(__file__).parent / "glossary.toml").read_text("utf-8"))
    return {meaning: tuple(words(phrase) for phrase in said) for meaning, said in data[table].items()}


def meanings(name: str, table: str) -> tuple[str, ...]:
    """Everything that ``name`` may stand for, by the longest phrase that is in it; several where phrases of one length disagree.

    Of a standing that is denied (``NotActive``, ``non valide``) nothing is known: it must never be taken for what it denies.
    """
    spoken = words(name)
    if table == "standing" and (_DENYING & set(spoken) or _DENYING_CJK & set(name)):
        return ()
    found = {meaning: max((_strength(spoken, phrase) for phrase in said), default=0) for meaning, said in phrases(table).items()}
    best = max(found.values(), default=0)
    return tuple(meaning for meaning, strength in found.items() if best and strength == best)


def exact_meaning(text: str, table: str) -> str:
    """What a text in the partner's words stands for, where it is one of the phrases and says nothing else; empty: it cannot be told."""
    spoken = words(text)
    found = [meaning for meaning, said in phrases(table).items() if spoken in said]
    return found[0] if len(found) == 1 else ""


def _strength(spoken: tuple[str, ...], phrase: tuple[str, ...]) -> int:
    """How many words of ``phrase`` are in ``spoken``: all of them in order, or none counts. Chinese is not split, so it may be a part."""
    if len(phrase) == 1 and _CJK.fullmatch(phrase[0]):
        return len(phrase[0]) if any(phrase[0] in word for word in spoken) else 0
    rest = iter(spoken)
    return 2 * len(phrase) if all(word in rest for word in phrase) else 0


def first_meaning(names: Iterable[str], table: str) -> str | None:
    """What the first telling one of ``names`` stands for, if that is one thing."""
    for name in names:
        found = meanings(name, table)
        if found:
            return found[0] if len(found) == 1 else None
    return None
