"""Names of people: two that only look different would be taken for one person's, and one person for two."""

from __future__ import annotations

import unicodedata


def visible_at_all(name: str) -> bool:
    """Whether there is anything to be seen of a name."""
    return bool(folded(name))


def same(who: str, other: str) -> bool:
    """Whether two names would be taken for one: they differ in nothing but case, width, blanks, characters that are not to be seen, composed
    and separate accents, or letters, dashes and apostrophes that look alike. Two names that differ in an accent are two."""
    return folded(who) == folded(other)


def folded(name: str) -> str:
    """The name with every such difference taken out. Blanks go too: one of no width is not to be told from none."""
    apart = unicodedata.normalize("NFKD", name)
    seen = "".join(c for c in apart if not c.isspace() and c not in _UNSEEN and unicodedata.category(c) not in ("Cc", "Cf"))
    # Only both ways: the dotless i has no capital of its own, and the sharp s has one that is two letters.
    folded = unicodedata.normalize("NFKD", seen.upper().casefold())
    return folded.replace("i\u0307", "i").translate(_LOOK_ALIKE)


#: What the categories Cc and Cf leave out of Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties), and the blank of braille.
_UNSEEN = frozenset(
    chr(code)
    for first, last in (
        (0x034F, 0x034F),
        (0x115F, 0x1160),
        (0x17B4, 0x17B5),
        (0x180B, 0x180F),
        (0x2065, 0x2065),
        (0x2800, 0x2800),
        (0xFE00, 0xFE0F),
        (0xFFF0, 0xFFF8),
        (0xE0000, 0xE0FFF),
    )
    for code in range(first, last + 1)
)

#: Small Cyrillic and Greek letters, and rare Latin ones, beside the Latin letter that they are taken for.
_LETTERS = "аa вb гr еe һh іi јj кk ӏl мm нh оo рp ԛq сc тt уy үy ѕs ԝw хx ԁd αa βb γy εe ζz ηn ιi κk μm νv οo ρp τt υu χx ɑa ɡg ȷj"
_LOOK_ALIKE = {ord(pair[0]): pair[1] for pair in _LETTERS.split()}
_LOOK_ALIKE |= {ord(dash): "-" for dash in "‐‑‒–—―−⁃˗"} | {ord(mark): "'" for mark in "‘’‛′ʹʻʼʽˈ`"}
