"""The narrow XML-Signature profile: sign an envelope, verify one, and hand on only what was signed.

A document verifies when, in this order:
1. there is exactly one ``ds:Signature``, the last child of the root, of exactly the shape read below: no other element,
   attribute or text anywhere in it;
2. its one Reference is to the whole document (``URI=""``) through enveloped-signature and exclusive canonicalisation;
3. its algorithm is in the policy, which names none unless told to;
4. a pinned key of that kind and of an allowed size made the SignatureValue over SignedInfo. A certificate in KeyInfo can
   only narrow the choice among the pinned ones, never add to it;
5. the digest is that of the canonical document without the signature.
Steps 1 to 4 cost microseconds, so nobody without a pinned key can make this gateway canonicalise a document.

Not checked here: whether the key's certificate is valid now (trust), and whom the message says it is from (envelope).
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from itertools import islice

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire.algorithms import (
    ALGORITHMS,
    BY_NAME,
    BY_URI,
    DIGEST_URI,
    DIGESTS,
    Algorithm,
    KeySigner,
    Policy,
    Signer,
    VerifyKey,
)
from gateway.wire.xml import canonical, parse

__all__ = ["ALGORITHMS", "KeySigner", "Policy", "Signer", "Verified", "VerifyKey", "sign", "verify"]

DS = "http://www.w3.org/2000/09/xmldsig#"
ENVELOPED = f"{DS}enveloped-signature"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_DS = f"{{{DS}}}"
_MADE_BY_VERIFY = object()


@dataclass(frozen=True)
class Verified:
    """Proof that a pinned key signed ``content``; only ``verify`` can make one.

    ``content`` is the canonical document without its signature; nothing else of what came may be read. ``digest`` is its
    SHA-256 in hex, ``algorithm`` a short name, ``fingerprint`` that of the verifying certificate.
    """

    content: bytes
    digest: str
    algorithm: str
    fingerprint: str
    signature_value: bytes
    made_by: InitVar[object]

    def __post_init__(self, made_by: object) -> None:
        if made_by is not _MADE_BY_VERIFY:
            raise TypeError("only verify() makes a Verified")


def sign(unsigned: bytes, signer: Signer) -> bytes:
    """``unsigned`` with a ``ds:Signature`` as the last child of its root; but for SignatureValue the same every time.

    Raises ``Refusal`` where ``unsigned`` is signed already, or is what ``parse`` would refuse to read.
    """
    root = parse(unsigned)
    if next(root.iter(f"{_DS}Signature"), None) is not None:
        raise Refusal(Code.SIGNATURE_MISPLACED, "The document is signed already.")
    content = canonical(root)
    algorithm = BY_NAME[signer.algorithm]
    digest = b64encode(hashlib.new(algorithm.digest, content).digest()).decode()
    # Written in canonical form, so that it need not be parsed to be signed.
    signed_info = (
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{algorithm.uri}"></ds:SignatureMethod><ds:Reference URI=""><ds:Transforms>'
        f'<ds:Transform Algorithm="{ENVELOPED}"></ds:Transform><ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{DIGEST_URI[algorithm.digest]}"></ds:DigestMethod>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
    value = b64encode(signer.sign(f'<ds:SignedInfo xmlns:ds="{DS}">{signed_info}'.encode())).decode()
    key_info = ""
    if signer.certificate is not None:
        certificate = b64encode(signer.certificate).decode()
        key_info = f"<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
    signature = (
        f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo>{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>{key_info}</ds:Signature>'
    ).encode()
    # A root without content may come as a lone empty-element tag; its canonical form has an end tag to stand before.
    whole = unsigned if b"</" in unsigned else content
    end = whole.rindex(b"</")
    return b"".join((memoryview(whole)[:end], signature, memoryview(whole)[end:]))


def verify(root: etree._Element, keys: Sequence[VerifyKey], policy: Policy) -> Verified:
    """What was signed, if one of ``keys`` signed it under ``policy``. A root that verified has lost its signature element.

    Raises ``Refusal`` with a SIGNATURE_* code, or CERTIFICATE_UNKNOWN where ``keys`` is empty; its ``facts`` name the
    certificates expected and the one that came.
    """
    signature = _the_signature(root)
    shape = _read(signature)
    if shape.algorithm.name not in policy.algorithms:
        raise _algorithm_refused("SignatureMethod", shape.algorithm.uri, policy)
    key = _signing_key(shape, keys, policy)
    etree.strip_elements(root, f"{_DS}Signature", with_tail=False)
    content = canonical(root)
    digest = hashlib.new(shape.digest_name, content)
    if not hmac.compare_digest(digest.digest(), shape.digest):
        raise Refusal(
            Code.SIGNATURE_DIGEST,
            f'The {shape.digest_name} digest in Reference URI="" is not that of the document as received.',
            facts={"digest signed": shape.digest.hex(), "digest received": digest.hexdigest(), "certificate": key.fingerprint},
        )
    sha256 = digest if shape.digest_name == "sha256" else hashlib.sha256(content)
    return Verified(content, sha256.hexdigest(), shape.algorithm.name, key.fingerprint, shape.value, _MADE_BY_VERIFY)


def _the_signature(root: etree._Element) -> etree._Element:
    found = list(islice(root.iter(f"{_DS}Signature"), 2))
    if not found:
        raise Refusal(Code.SIGNATURE_MISSING)
    only = found[0]
    if len(found) > 1 or only.getparent() is not root or only.getnext() is not None or (only.tail or "").strip():
        raise Refusal(
            Code.SIGNATURE_MISPLACED,
            "The document has more than one signature, or its one is not the last child of the root.",
            line=found[-1].sourceline,
        )
    return only


@dataclass(frozen=True)
class _Shape:
    signed_info: etree._Element
    algorithm: Algorithm
    digest_name: str
    digest: bytes
    value: bytes
    certificate: bytes | None


def _read(signature: etree._Element) -> _Shape:
    signed_info, value, *key_info = _children(signature, "SignedInfo", "SignatureValue", "KeyInfo", optional=1)
    if len(list(islice(signed_info.iterchildren(f"{_DS}Reference"), 2))) != 1:
        raise Refusal(Code.SIGNATURE_REFERENCE, line=signed_info.sourceline)
    canonicalisation, method, reference = _children(signed_info, "CanonicalizationMethod", "SignatureMethod", "Reference")
    if reference.get("URI") != "":
        raise Refusal(Code.SIGNATURE_REFERENCE, field="URI", value=reference.get("URI"), line=reference.sourceline)
    transforms, digest_method, digest = _children(reference, "Transforms", "DigestMethod", "DigestValue", attributes=["URI"])
    _check_transforms(canonicalisation, transforms)
    algorithm = BY_URI.get(method.get("Algorithm", ""))
    if algorithm is None:
        raise _algorithm_refused("SignatureMethod", method.get("Algorithm"))
    digest_name = DIGESTS.get(digest_method.get("Algorithm", ""))
    if digest_name is None:
        raise _algorithm_refused("DigestMethod", digest_method.get("Algorithm"))
    for leaf in (method, digest_method):
        _children(leaf, attributes=["Algorithm"])
    certificate = None
    for element in key_info:
        (data,) = _children(element, "X509Data")
        (holder,) = _children(data, "X509Certificate")
        certificate = _base64(holder)
    return _Shape(signed_info, algorithm, digest_name, _base64(digest), _base64(value), certificate)


def _children(element: etree._Element, *names: str, optional: int = 0, attributes: Sequence[str] = ()) -> list[etree._Element]:
    """The children of ``element``, which are exactly ``names`` (the last ``optional`` may be left out), with nothing else in it."""
    if not len(names) - optional <= len(element) <= len(names):
        raise _malformed(element, f"must hold {' and '.join(names) or 'no element'}")
    children = list(element)
    for child, name in zip(children, names, strict=False):
        if child.tag != f"{_DS}{name}":
            raise _malformed(element, f"holds {str(child.tag)[:80]} where {name} is due")
    if element.keys() != list(attributes):
        raise _malformed(element, f"must have {' and '.join(attributes) or 'no'} attribute")
    if any((text or "").strip(" \t\r\n") for text in (element.text, *(child.tail for child in children))):
        raise _malformed(element, "holds text")
    return children


def _base64(element: etree._Element) -> bytes:
    text = element.text or ""
    if len(element) or element.keys():
        raise _malformed(element, "may hold nothing but base64 text")
    # Lax readers skip what they do not know, so that `!!`, or a comment, changes the text and not the value. Line breaks are
    # what xmlsec1 and the JDK write.
    text = text.replace("\r", "").replace("\n", "")
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        raise _malformed(element, "is not base64") from None
    if not value or b64encode(value).decode() != text:
        raise _malformed(element, "is not base64 as it is written canonically, or is empty")
    return value


def _check_transforms(canonicalisation: etree._Element, transforms: etree._Element) -> None:
    due = [(canonicalisation, EXCLUSIVE), *zip(transforms, (ENVELOPED, EXCLUSIVE), strict=False)]
    if len(transforms) != 2 or any(child.tag != f"{_DS}Transform" for child in transforms):
        raise Refusal(Code.SIGNATURE_TRANSFORM, f"Transforms in the reference: {len(transforms)}.", line=transforms.sourceline)
    for element, algorithm in due:
        if element.get("Algorithm") != algorithm or len(element):
            raise Refusal(
                Code.SIGNATURE_TRANSFORM,
                f"{etree.QName(element).localname} must be {algorithm}, without parameters.",
                value=element.get("Algorithm"),
                line=element.sourceline,
            )
        _children(element, attributes=["Algorithm"])
    _children(transforms, "Transform", "Transform")


def _signing_key(shape: _Shape, keys: Sequence[VerifyKey], policy: Policy) -> VerifyKey:
    came = shape.certificate and hashlib.sha256(shape.certificate).hexdigest()
    facts = {"certificates expected": ", ".join(key.fingerprint for key in keys), "certificate in KeyInfo": came or "none"}
    if not keys:
        raise Refusal(Code.CERTIFICATE_UNKNOWN, facts=facts)
    pinned = [key for key in keys if came in (None, key.fingerprint)]
    if not pinned:
        raise Refusal(
            Code.SIGNATURE_INVALID, f"The certificate in KeyInfo, {came}, is not one announced for the sender.", facts=facts
        )
    fitting = [key for key in pinned if shape.algorithm.fits(key.key)]
    if not fitting:
        raise Refusal(
            Code.SIGNATURE_INVALID, f"No announced key of the sender is of the kind for {shape.algorithm.name}.", facts=facts
        )
    allowed = [key for key in fitting if policy.allows_size(key.key)]
    if not allowed:
        sizes = f"{policy.min_rsa_bits} to {policy.max_rsa_bits}"
        raise Refusal(Code.SIGNATURE_KEY_SIZE, f"The key for {shape.algorithm.name} must have {sizes} bits.", facts=facts)
    signed = canonical(shape.signed_info)
    for key in allowed:
        if shape.algorithm.made_by(key.key, shape.value, signed):
            return key
    raise Refusal(
        Code.SIGNATURE_INVALID, f"No announced key of the sender made this {shape.algorithm.name} SignatureValue.", facts=facts
    )


def _algorithm_refused(field: str, uri: str | None, policy: Policy | None = None) -> Refusal:
    agreed = f" Agreed: {', '.join(sorted(policy.algorithms)) or 'none'}." if policy else ""
    return Refusal(
        Code.SIGNATURE_ALGORITHM, f"{field} {(uri or 'without Algorithm')[:100]} is not agreed.{agreed}", field=field, value=uri
    )


def _malformed(element: etree._Element, what: str) -> Refusal:
    name = etree.QName(element).localname
    return Refusal(Code.SIGNATURE_MALFORMED, f"{name} {what}.", field=name, line=element.sourceline)
