"""What was signed may be another form of the document that came: laid out anew on its way, which no reader of it would see.

The digest of a message that its sender's own key signed does not fit. Here the usual forms are tried, so that the sender reads what
happened to it and not only that something did. Nothing is accepted for it. Asked only where a pinned key made the signature, and of
documents so small that trying costs a few milliseconds: whoever has caught one signature could have it tried again and again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator

from lxml import etree

from gateway.wire.profile import Signed
from gateway.wire.xml import canonical, parse_again

#: Bytes of the canonical form up to which other forms are tried.
MOST = 64 * 1024
_INDENTS = {"  ": "two blanks", "    ": "four blanks", "\t": "a tab"}
_BETWEEN = re.compile(rb">(?:[ \t\n]|&#xD;)+<")
#: What to do about it.
SIGN_LAST = "Sign last, and send the very bytes that were signed: nothing may indent or re-write them afterwards."
_CR = (b"\n", b"&#xD;\n")


def compact(signed: Signed) -> Signed:
    """The same with the SignedInfo that it may have been made over, before somebody laid it out."""
    return signed._replace(info=_BETWEEN.sub(b"><", signed.info))


def likely_cause(content: bytes, digest_name: str, digest: bytes) -> str | None:
    """In a sentence, how the document that has this ``digest`` (by hashlib's ``digest_name``) differs from the one that came, of which
    ``content`` is the canonical form without its signature. None where it is none of the usual forms, or was not looked for."""
    if len(content) > MOST:
        return None
    return next((cause for form, cause in _forms(content) if hashlib.new(digest_name, form).digest() == digest), None)


def _forms(content: bytes) -> Iterator[tuple[bytes, str]]:
    yield content.replace(*_CR), "when it was signed its lines ended in CR LF, and now they end in LF"
    bare = parse_again(content)
    _without_layout(bare)
    yield (
        canonical(bare),
        "when it was signed there were no blanks between its elements, and now there are: it was indented afterwards",
    )
    for blanks, said in _INDENTS.items():
        etree.indent(bare, blanks)
        laid_out, was = canonical(bare), f"when it was signed it was indented by {said}, and now it is laid out otherwise"
        yield laid_out, was
        yield laid_out.replace(*_CR), f"{was}, with other line ends"


def _without_layout(root: etree._Element) -> None:
    """Takes out the blanks between elements; those of a value stay."""
    for element in root.iter():
        if len(element) and not (element.text or "").strip():
            element.text = None
        if not (element.tail or "").strip():
            element.tail = None
