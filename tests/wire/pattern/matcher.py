"""A process of its own that matches: a line of JSON in ([pattern, texts]), a line out (seconds of CPU of the slowest match of each matcher).

Run by ``test_matching``, which ends it when no line comes in time.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable

from elementpath.regex import translate_pattern
from lxml import etree

XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="a"><xs:simpleType>
<xs:restriction base="xs:string"><xs:pattern/></xs:restriction></xs:simpleType></xs:element></xs:schema>"""


def libxml2(pattern: str) -> Callable[[str], object]:
    root = etree.fromstring(XSD)
    root[0][0][0][0].set("value", pattern)
    schema = etree.XMLSchema(root)

    def match(text: str) -> bool:
        element = etree.Element("a")
        element.text = text
        return bool(schema.validate(element))

    return match


def main() -> None:
    for line in sys.stdin:
        pattern, texts = json.loads(line)
        slowest = {}
        translated = translate_pattern(pattern, back_references=False, lazy_quantifiers=False, anchors=False)
        for name, match in (
            ("libxml2", libxml2(pattern)),
            ("re", re.compile(f"(?:{pattern})", re.ASCII | re.DOTALL).fullmatch),
            ("xmlschema", re.compile(translated).search),
        ):
            slowest[name] = 0.0
            for text in texts:
                began = time.process_time()
                match(text)
                slowest[name] = max(slowest[name], time.process_time() - began)
        print(json.dumps(slowest), flush=True)


if __name__ == "__main__":
    main()
