"""The shape of a signature: how ours are written, and what those of others may look like.

One regular expression over the *canonical* form of the ``ds:Signature`` is the whole profile. A canonical document has one way to
write each thing, and what the expression does not name cannot be there. What it captures is read from the very bytes that were
signed; a comment cannot split a value, nor a second SignedInfo stand beside the first.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from hashlib import sha256
from itertools import islice
from typing import NamedTuple, cast

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire.algorithms import BY_URI, DIGEST_URI, DIGESTS, Algorithm
from gateway.wire.xml import canonical

DS = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = f"{DS}enveloped-signature"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"


class Signed(NamedTuple):
    """What a signature of the profile says. ``info`` is the canonical SignedInfo, which ``value`` is over; ``digest_name`` is for
    hashlib; ``fingerprint`` is the SHA-256 (hex) of the certificate in KeyInfo."""

    info: bytes
    algorithm: Algorithm
    digest_name: str
    digest: bytes
    value: bytes
    fingerprint: str | None


def signed_info(algorithm: Algorithm, digest: bytes) -> str:
    """SignedInfo in canonical form, but for the namespace declaration that it has where it stands alone."""
    return (
        f'<ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{algorithm.uri}"></ds:SignatureMethod><ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform><ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DIGEST_URI[algorithm.digest]}"></ds:DigestMethod>'
        f"<ds:DigestValue>{b64encode(digest).decode()}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )


def standing_alone(info: bytes, prefix: bytes = b"ds:", declaration: bytes = f' xmlns:ds="{DS}"'.encode()) -> bytes:
    """The bytes to be signed: SignedInfo with the declaration that its canonical form takes over from Signature."""
    name = b"<%sSignedInfo" % prefix
    return name + declaration + info[len(name) :]


def signature(info: str, value: bytes, certificate: bytes | None) -> str:
    """The whole element, with the certificate (DER) in KeyInfo where there is one."""
    key_info = ""
    if certificate is not None:
        encoded = b64encode(certificate).decode()
        key_info = f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{encoded}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    encoded = b64encode(value).decode()
    return f'<ds:Signature xmlns:ds="{DS}">{info}<ds:SignatureValue>{encoded}</ds:SignatureValue>{key_info}</ds:Signature>'


# Between elements, as the canonical form writes it. Possessive: no text makes the expression try twice.
_BLANK = "(?:[ \t\n]|&#xD;)*+"


def _element(name: str, *inside: str, attributes: str = "") -> str:
    return f"<(?P=p){name}{attributes}>{_BLANK}{_BLANK.join(inside)}{_BLANK}</(?P=p){name}>"


def _text(name: str, group: str) -> str:
    return f"<(?P=p){name}>(?P<{group}>[^<]*+)</(?P=p){name}>"


def _method(name: str, uri: str) -> str:
    return f'<(?P=p){name} Algorithm="{uri}"></(?P=p){name}>'


_REFERENCE = _element(
    "Reference",
    _element("Transforms", _method("Transform", re.escape(ENVELOPED)), _method("Transform", re.escape(EXCLUSIVE))),
    _method("DigestMethod", '(?P<digest_method>[^"]*+)'),
    _text("DigestValue", "digest"),
    attributes=' URI=""',
)
_SIGNED_INFO = _element(
    "SignedInfo",
    _method("CanonicalizationMethod", re.escape(EXCLUSIVE)),
    _method("SignatureMethod", '(?P<algorithm>[^"]*+)'),
    _REFERENCE,
)
_KEY_INFO = _element("KeyInfo", _element("X509Data", _text("X509Certificate", "certificate")))
_PROFILE = re.compile(
    f'<(?P<p>(?:[^<>: ]+:)?)Signature(?P<declaration> xmlns(?::[^<>= ]+)?="{re.escape(DS)}")>{_BLANK}'
    f"(?P<info>{_SIGNED_INFO}){_BLANK}{_text('SignatureValue', 'value')}{_BLANK}(?:{_KEY_INFO})?{_BLANK}</(?P=p)Signature>".encode()
)


def _xpath(path: str) -> etree.XPath:
    return etree.XPath(path, namespaces={"ds": DS}, smart_strings=False)


# Many times what a signature needs, and little enough to canonicalise for anybody.
_SMALL = _xpath("count(descendant::node()) <= 64 and string-length() <= 32768")
# Where the expression does not match, the first of these that does says why.
_TRANSFORM = "ds:SignedInfo/ds:Reference/ds:Transforms/ds:Transform"
_FAULTS = [
    (Code.SIGNATURE_MALFORMED, "There must be exactly one SignedInfo.", _xpath("count(ds:SignedInfo) != 1")),
    (Code.SIGNATURE_REFERENCE, "There must be exactly one Reference.", _xpath("count(ds:SignedInfo/ds:Reference) != 1")),
    (Code.SIGNATURE_REFERENCE, 'The Reference must have URI="".', _xpath("not(ds:SignedInfo/ds:Reference[@URI=''])")),
    (
        Code.SIGNATURE_TRANSFORM,
        f"CanonicalizationMethod must be {EXCLUSIVE}, without parameters.",
        _xpath(f"not(ds:SignedInfo/ds:CanonicalizationMethod[@Algorithm='{EXCLUSIVE}' and not(*)])"),
    ),
    (
        Code.SIGNATURE_TRANSFORM,
        f"The Transforms must be {ENVELOPED} and {EXCLUSIVE}, without parameters.",
        _xpath(
            f"not(count({_TRANSFORM}/../*) = 2 and {_TRANSFORM}[1][@Algorithm='{ENVELOPED}' and not(*)]"
            f" and {_TRANSFORM}[2][@Algorithm='{EXCLUSIVE}' and not(*)])"
        ),
    ),
]
_METHOD = _xpath("string(ds:SignedInfo/ds:SignatureMethod/@Algorithm)")
_DIGEST_METHOD = _xpath("string(ds:SignedInfo/ds:Reference/ds:DigestMethod/@Algorithm)")
_NAMES = {f"{{{DS}}}{name}" for name in re.findall(r"\(\?P=p\)(\w+)", _PROFILE.pattern.decode())}


def read(element: etree._Element) -> Signed:
    """What ``element``, a ds:Signature, says. Raises ``Refusal`` with a SIGNATURE_* code where it is not of the profile.

    Costs microseconds whatever it holds: a large one is refused before it is canonicalised.
    """
    found = _PROFILE.fullmatch(canonical(element)) if _SMALL(element) else None
    if found is None:
        raise _fault(element)
    prefix, declaration, info, method, digest_method, digest, value, certificate = found.groups()
    algorithm, digest_name = BY_URI.get(method.decode()), DIGESTS.get(digest_method.decode())
    if algorithm is None or digest_name is None:
        raise _fault(element)
    return Signed(
        standing_alone(info, prefix, declaration),
        algorithm,
        digest_name,
        _base64("DigestValue", digest),
        _base64("SignatureValue", value),
        None if certificate is None else _fingerprint(certificate),
    )


@lru_cache(maxsize=128)  # the same certificate stands in message after message; none that is cached is longer than _SMALL allows
def _fingerprint(certificate: bytes) -> str:
    return sha256(_base64("X509Certificate", certificate)).hexdigest()


def _base64(name: str, text: bytes) -> bytes:
    # Lax readers skip what they do not know, so that `!!` changes the text and not the value. Line breaks are what xmlsec1 and
    # the JDK write.
    text = text.replace(b"&#xD;", b"").replace(b"\n", b"")
    try:
        value = a2b_base64(text, strict_mode=True)
    except ValueError:
        value = b""
    if not value or b2a_base64(value, newline=False) != text:
        raise Refusal(Code.SIGNATURE_MALFORMED, f"{name} is not base64 as it must be written.", field=name)
    return value


def not_agreed(field: str, uri: str, agreed: frozenset[str] | None = None) -> Refusal:
    """The refusal of an algorithm, which is none of the profile's, or none of those ``agreed`` with this partner."""
    among = "" if agreed is None else f" Agreed: {', '.join(sorted(agreed)) or 'none'}."
    return Refusal(
        Code.SIGNATURE_ALGORITHM, f"{field} {uri[:100] or 'without Algorithm'} is not agreed.{among}", field=field, value=uri
    )


def _fault(element: etree._Element) -> Refusal:
    for code, detail, applies in _FAULTS:
        if applies(element):
            return Refusal(code, detail, line=element.sourceline)
    if (uri := cast("str", _METHOD(element))) not in BY_URI:
        return not_agreed("SignatureMethod", uri)
    if (uri := cast("str", _DIGEST_METHOD(element))) not in DIGESTS:
        return not_agreed("DigestMethod", uri)
    foreign = next((str(inside.tag) for inside in islice(element.iterdescendants(), 64) if inside.tag not in _NAMES), None)
    what = f"holds {foreign[:80]}" if foreign else "has an element, attribute or text missing, too many or out of place"
    return Refusal(Code.SIGNATURE_MALFORMED, f"The signature {what}.", line=element.sourceline)
