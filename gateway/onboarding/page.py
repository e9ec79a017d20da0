"""Pages for people, in one file each: built as a tree, so that whatever a partner sent is text and never markup."""

from __future__ import annotations

from pathlib import Path

from lxml import etree
from lxml.builder import E

from gateway.core.text import visible

Element = etree._Element
_STYLE = (Path(__file__).parent / "page.css").read_text("utf-8")


def page(title: str, *content: Element) -> bytes:
    """A whole page that needs nothing from anywhere."""
    root = E.html(
        E.head(
            E.meta(charset="utf-8"),
            E.meta(name="viewport", content="width=device-width, initial-scale=1"),
            E.title(visible(title, "\n\t")),
            E.style(_STYLE),
        ),
        E.body(*content),
        lang="en",
    )
    return etree.tostring(root, method="html", doctype="<!DOCTYPE html>", encoding="utf-8", pretty_print=False)
