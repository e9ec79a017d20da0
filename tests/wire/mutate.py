"""Messages mutated at random, none of which may verify with other content than was signed.

``python -m tests.wire.mutate --count 200000`` tries that many and prints what came of them; the ordinary tests try a few thousand.
A mutation moves, wraps, duplicates or drops elements of one signed message or of two, swaps algorithms, plays with namespaces,
comments, references and encodings, or flips bytes. Two kinds of outcome are right: a ``Refusal``, or a ``Verified`` whose content
is one that the pinned key did sign. Anything else, a foreign exception included, is a wrong verdict.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from functools import cache

from gateway.core.errors import Refusal
from gateway.wire.algorithms import BY_URI, DIGESTS
from gateway.wire.profile import DS, ENVELOPED, EXCLUSIVE
from gateway.wire.signature import sign, verify
from gateway.wire.xml import canonical, parse
from tests.wire.kit import ALL, message, signer, verify_key

_TAG = re.compile(r"<[^<>]*>")
_URIS = [
    *BY_URI,
    *DIGESTS,
    ENVELOPED,
    EXCLUSIVE,
    f"{EXCLUSIVE}WithComments",
    f"{DS}sha1",
    f"{DS}hmac-sha1",
    f"{DS}base64",
    "",
    "urn:x",
]
_SNIPPETS = [
    "<!-- x -->", "<?x y?>", "<![CDATA[x]]>", "<![CDATA[]]>", "&#65;", "&amp;", "&x;", "\n", " ", "\t", "&#13;", "\u200b", "\u00a0", "!!", "=",
    "<x/>", f'<ds:Signature xmlns:ds="{DS}"/>', f'<ds:Object xmlns:ds="{DS}"/>', "<ds:Reference URI=''/>", "<!DOCTYPE x>", "\0", "]]>", "AAAA",
]  # fmt: skip
_ATTRIBUTES = [
    " Id='x'", " xml:id='x'", " xmlns:u='urn:u'", " xmlns='urn:u'", " xmlns:x='urn:u'", " xmlns:ds='urn:u'", " xmlns='rel'", " xmlns:l=''",
    " xml:lang='en'", " xml:space='preserve'", " URI=''", " Algorithm='x'", " xmlns:i='http://www.w3.org/2001/XMLSchema-instance' i:nil='1'",
]  # fmt: skip


@cache
def corpus() -> tuple[tuple[str, ...], frozenset[bytes]]:
    """Signed messages of several algorithms and sizes, and the contents that were signed."""
    plain = [
        message(),
        message(2),
        b"<?xml version='1.0' encoding='UTF-8'?>\n" + message().replace(b"</x:Header>", b"</x:Header>\n  "),
    ]
    plain.append(b"<e xmlns='urn:e' a='1'><f xmlns=''><g xml:lang='en'>&#233;</g></f><f/></e>")
    signed = [
        sign(unsigned, signer(name, key_info=shown)).decode()
        for unsigned in plain
        for name, shown in (("ecdsa-p256-sha256", True), ("ed25519", False))
    ]
    return tuple(signed), frozenset(canonical(parse(unsigned)) for unsigned in plain)


def _spans(text: str) -> list[tuple[int, int]]:
    """Where each element begins and ends, as far as the text is well-formed."""
    stack: list[int] = []
    spans: list[tuple[int, int]] = []
    for tag in _TAG.finditer(text):
        if tag[0].startswith("</"):
            if stack:
                spans.append((stack.pop(), tag.end()))
        elif tag[0].endswith("/>"):
            spans.append(tag.span())
        elif not tag[0].startswith(("<?", "<!")):
            stack.append(tag.start())
    return spans


def _element(text: str, r: random.Random) -> tuple[int, int]:
    return r.choice(_spans(text) or [(0, len(text))])


def _gap(text: str, r: random.Random) -> int:
    """A place between two tags."""
    return r.choice([tag.end() for tag in _TAG.finditer(text)] or [0])


def _insert(text: str, at: int, new: str) -> str:
    return text[:at] + new + text[at:]


def move(text: str, r: random.Random) -> str:
    start, end = _element(text, r)
    rest = text[:start] + text[end:]
    return _insert(rest, _gap(rest, r), text[start:end])


def duplicate(text: str, r: random.Random) -> str:
    start, end = _element(text, r)
    return _insert(text, r.choice([end, start, _gap(text, r)]), text[start:end])


def drop(text: str, r: random.Random) -> str:
    start, end = _element(text, r)
    return text[:start] + text[end:]


def swap(text: str, r: random.Random) -> str:
    (a, b), (c, d) = sorted([_element(text, r), _element(text, r)])
    return text if c < b else text[:a] + text[c:d] + text[b:c] + text[a:b] + text[d:]


def wrap(text: str, r: random.Random) -> str:
    start, end = _element(text, r)
    opened, closed = r.choice(
        [("<w>", "</w>"), (f'<ds:Object xmlns:ds="{DS}">', "</ds:Object>"), ("<x:Payload xmlns:x='urn:x'>", "</x:Payload>")]
    )
    return text[:start] + opened + text[start:end] + closed + text[end:]


def unwrap(text: str, r: random.Random) -> str:
    start, end = _element(text, r)
    inner = _TAG.sub("", text[start:end], count=1)
    return text[:start] + inner[: inner.rfind("<")] + text[end:]


def graft(text: str, r: random.Random) -> str:
    """An element of another signed message, its signature perhaps, in the place of one here or beside it."""
    other = r.choice(corpus()[0])
    (start, end), (first, last) = _element(text, r), _element(other, r)
    return text[:start] + other[first:last] + text[r.choice([start, end]) :]


def graft_signature(text: str, r: random.Random) -> str:
    pattern = r"<ds:Signature .*</ds:Signature>"
    theirs = re.search(pattern, r.choice(corpus()[0]), re.DOTALL)
    return re.sub(pattern, lambda _: theirs[0] if theirs else "", text, flags=re.DOTALL)


def algorithm(text: str, r: random.Random) -> str:
    places = list(re.finditer(r'(?<=Algorithm=")[^"]*|(?<=URI=")[^"]*', text))
    if not places:
        return text
    start, end = r.choice(places).span()
    return text[:start] + r.choice(_URIS) + text[end:]


def snippet(text: str, r: random.Random) -> str:
    return _insert(text, r.choice([_gap(text, r), r.randrange(len(text) + 1)]), r.choice(_SNIPPETS))


def attribute(text: str, r: random.Random) -> str:
    names = [tag.end() for tag in re.finditer(r"<[\w:]+", text)]
    return _insert(text, r.choice(names), r.choice(_ATTRIBUTES)) if names else text


def rename(text: str, r: random.Random) -> str:
    """Prefixes changed, everywhere or once, with their declaration or without."""
    old, new = r.choice(["x", "l", "ds"]), r.choice(["x", "l", "ds", "y"])
    places = r.choice([[f"<{old}:", f"</{old}:", f"xmlns:{old}="], [f"<{old}:", f"</{old}:"], [f"xmlns:{old}="]])
    for place in places:
        text = text.replace(place, place.replace(old + place[-1], new + place[-1]), r.choice([-1, 1]))
    return text


def refer(text: str, r: random.Random) -> str:
    """A character written as a reference: most often the same canonical content."""
    at = r.randrange(len(text)) if text else 0
    return text[:at] + f"&#{ord(text[at])};" + text[at + 1 :] if text and text[at] not in "<>&" else text


def letter(text: str, r: random.Random) -> str:
    at = r.randrange(len(text)) if text else 0
    return text[:at] + r.choice("AZ09az+/=<>&\"' :#\n!é") + text[at + r.choice([0, 1]) :]


def empty_tags(text: str, r: random.Random) -> str:
    """The same canonical content: empty elements written shorter."""
    return re.sub(r"<([\w:]+)([^<>]*)></\1>", r"<\1\2/>", text)


MUTATIONS: list[Callable[[str, random.Random], str]] = [
    move, duplicate, drop, swap, wrap, unwrap, graft, graft_signature, algorithm, snippet, attribute, rename, refer, letter, empty_tags,
]  # fmt: skip


def _encode(text: str, r: random.Random) -> bytes:
    if r.random() < 0.03:
        return text.encode(r.choice(["utf-16", "utf-16-be", "utf-32", "utf-8-sig", "utf-7"]), "replace")
    data = bytearray(text.encode("utf-8", "replace"))
    if data and r.random() < 0.1:
        data[r.randrange(len(data))] ^= 1 << r.randrange(8)
    if r.random() < 0.02:
        del data[r.randrange(len(data) + 1) :]
    return bytes(data)


def mutated(r: random.Random) -> bytes:
    """One message, changed one to four times."""
    text = r.choice(corpus()[0])
    for _ in range(r.choice([1, 1, 1, 2, 2, 3, 4])):
        text = r.choice(MUTATIONS)(text, r)
    return _encode(text, r)


def verdict(data: bytes) -> str:
    """The refusal's code, or ``unchanged``. Raises ``AssertionError`` for content that nobody signed."""
    keys = [verify_key("p256"), verify_key("ed25519")]
    try:
        verified = verify(parse(data), keys, ALL)
    except Refusal as refusal:
        return str(refusal.code)
    assert verified.content in corpus()[1], f"verified, and never signed: {data!r}"
    return "unchanged"


def main() -> None:
    """Prints how often each outcome came; the first wrong verdict ends it with a traceback and the message."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    options.add_argument("--count", type=int, default=200_000)
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    r, seen, start = random.Random(chosen.seed), Counter[str](), time.monotonic()
    for number in range(chosen.count):
        data = mutated(r)
        try:
            seen[verdict(data)] += 1
        except Exception as error:
            error.add_note(f"message {number} of seed {chosen.seed}: {data!r}")
            raise
    for name, count in seen.most_common():
        print(f"{count:8d}  {name}")
    print(f"{chosen.count} mutated messages, no wrong verdict, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
