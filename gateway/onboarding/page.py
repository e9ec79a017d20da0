"""Pages for people, in one file each: built as a tree, so that whatever a partner sent is text and never markup."""

from __future__ import annotations

from pathlib import Path

from lxml import etree
from lxml.builder import E

Element = etree._Element
_STYLE = (Path(__file__).parent / "page.css").read_text("utf-8")


def page(title: str, *content: Element) -> bytes:
    """A whole page that needs nothing from anywhere."""
    root = E.html(
        E.head(
            E.meta(charset="utf-8"),
            E.meta(name="viewport", content="width=device-width, initial-scale=1"),
            E.title(visible(title)),
            E.style(_STYLE),
        ),
        E.body(*content),
        lang="en",
    )
    return etree.tostring(root, method="html", doctype="<!DOCTYPE html>", encoding="utf-8", pretty_print=False)


def visible(text: str) -> str:
    """Characters that no document can hold, or that would turn the text around them, as their escapes."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)
