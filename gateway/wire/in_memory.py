"""XSD files that lie in memory, for the two libraries that compile them.

Both libxml2 and xmlschema follow ``xs:include`` and ``xs:import`` by themselves. Here each is answered from the files given, by name,
and with a failure for everything else: neither the network nor the disk is ever asked. ``xsd.scan`` has refused an XSD that reaches
for anything else before; this is the second lock on the same door.
"""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from io import BytesIO
from typing import Any
from urllib.parse import quote, unquote
from urllib.request import BaseHandler, OpenerDirector, Request, UnknownHandler
from urllib.response import addinfourl

from lxml import etree

Files = Mapping[str, bytes]
#: Where the files seem to lie, so that each can name another one beside it.
ROOT = "memory://xsd/"


def url_of(name: str) -> str:
    return ROOT + quote(name)


def name_at(url: str, files: Files) -> str | None:
    """The file that ``url`` leads to; None: none of them."""
    name = unquote(url.removeprefix(ROOT))
    return name if url.startswith(ROOT) and name in files else None


def tree(text: bytes, url: str, files: Files) -> etree._ElementTree:
    """``text`` as if it lay at ``url``; what it includes is resolved when libxml2 compiles it."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    parser.resolvers.add(_Resolver(files))
    return etree.ElementTree(etree.fromstring(text, parser, base_url=url))


class _Resolver(etree.Resolver):
    """How libxml2 gets at what a file includes."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def resolve(self, system_url: str | None, public_id: str | None, context: Any) -> Any:
        name = name_at(system_url or "", self._files)
        if name is None:
            # To answer None or resolve_empty() would have libxml2 look for it by its own means, on the disk first.
            raise LookupError(system_url)
        return self.resolve_string(self._files[name], context, base_url=system_url)


def opener(files: Files) -> OpenerDirector:
    """How xmlschema gets at the files; it knows no other scheme, so every other URL is an error."""
    found = OpenerDirector()
    found.add_handler(_Handler(files))
    found.add_handler(UnknownHandler())
    return found


class _Handler(BaseHandler):
    def __init__(self, files: Files) -> None:
        self._files = files

    def memory_open(self, request: Request) -> addinfourl:
        name = name_at(request.full_url, self._files)
        if name is None:
            raise FileNotFoundError(request.full_url)
        return addinfourl(BytesIO(self._files[name]), Message(), request.full_url)
