"""How reading says no: each refusal names the field or element, the value and the line."""

from __future__ import annotations

from typing import NoReturn

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire.dialect.template import Template


def local(tag: object) -> str:
    """The name of an element or attribute as a person sees it."""
    return etree.QName(tag).localname if isinstance(tag, str) else "a comment or processing instruction"


def named(template: Template, name: object) -> str:
    """Our name for what stands there, or the sender's where it is literal."""
    return template.keys[0] if template.keys else local(name)


def unexpected(element: etree._Element) -> NoReturn:
    """Anything that the sample does not hold is refused, never dropped."""
    name = local(element.tag)
    raise Refusal(Code.FIELD_UNEXPECTED, f"{name} is not expected here.", field=name, value=element.text, line=element.sourceline)


def stray(element: etree._Element, text: str) -> NoReturn:
    name = local(element.tag)
    detail = f"Text stands between the elements of {name}."
    raise Refusal(Code.FIELD_UNEXPECTED, detail, field=name, value=text.strip(), line=element.sourceline)


def attribute(element: etree._Element, name: str) -> NoReturn:
    detail = f"The attribute {local(name)} of {local(element.tag)} is not expected."
    raise Refusal(Code.FIELD_UNEXPECTED, detail, field=local(name), value=element.get(name), line=element.sourceline)


def repeated(element: etree._Element, twice: bool) -> NoReturn:
    name = local(element.tag)
    detail = f"{name} stands {'twice' if twice else 'beside what excludes it'}."
    raise Refusal(Code.FIELD_REPEATED, detail, field=name, value=element.text, line=element.sourceline)


def missing(element: etree._Element, field: str) -> NoReturn:
    raise Refusal(Code.FIELD_MISSING, f"{local(element.tag)} lacks {field}.", field=field, line=element.sourceline)


def empty(element: etree._Element, field: str, what: str) -> NoReturn:
    raise Refusal(Code.FIELD_MISSING, f"{what} is empty; leave it out where nothing is said.", field=field, line=element.sourceline)


def at(element: etree._Element, refusal: Refusal) -> NoReturn:
    """The same refusal with the line of ``element``, if it names none."""
    line = refusal.line or element.sourceline
    raise Refusal(refusal.code, refusal.detail, field=refusal.field, value=refusal.value, line=line) from None


def value(error: Exception, where: str, field: str, text: str, element: etree._Element) -> NoReturn:
    """What a filter said about ``text``."""
    code, detail = Code.FIELD_INVALID, f"{where}: {error}."
    if isinstance(error, Refusal):  # a character that may not stand in a code
        code, detail = error.code, error.detail
    elif isinstance(error, LookupError):
        code, detail = Code.CODE_UNKNOWN, f"{where} holds a code that is not in the agreed list."
    raise Refusal(code, detail, field=field, value=text, line=element.sourceline) from None
