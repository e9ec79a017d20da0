"""The narrow XML-Signature profile: sign an envelope, verify one, and hand on only what was signed.

A document verifies when, in this order:
1. there is exactly one ``ds:Signature``, the last child of the root;
2. it has exactly the shape of the profile (profile.py): its one Reference is to the whole document, through enveloped-signature
   and exclusive canonicalisation;
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
from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from itertools import islice

from lxml import etree

from gateway.core.errors import Code, Refusal
from gateway.wire import profile
from gateway.wire.algorithms import ALGORITHMS, BY_NAME, KeySigner, Policy, Signer, VerifyKey
from gateway.wire.profile import DS, Signed
from gateway.wire.reformatted import SIGN_LAST, compact, likely_cause
from gateway.wire.xml import canonical, parse

__all__ = ["ALGORITHMS", "KeySigner", "Policy", "Signer", "Verified", "VerifyKey", "sign", "verify"]

_SIGNATURE = f"{{{DS}}}Signature"
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
    if b"Signature" in unsigned and next(root.iter(_SIGNATURE), None) is not None:
        raise Refusal(Code.SIGNATURE_MISPLACED, "The document is signed already.")
    content = canonical(root)
    algorithm = BY_NAME[signer.algorithm]
    info = profile.signed_info(algorithm, hashlib.new(algorithm.digest, content).digest())
    signature = profile.signature(info, signer.sign(profile.standing_alone(info.encode())), signer.certificate).encode()
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
    signed = profile.read(signature)
    if signed.algorithm.name not in policy.algorithms:
        raise profile.not_agreed("SignatureMethod", signed.algorithm.uri, policy.algorithms)
    key = _signing_key(signed, keys, policy)
    _remove(signature)
    content = canonical(root)
    digest = hashlib.new(signed.digest_name, content)
    if not hmac.compare_digest(digest.digest(), signed.digest):
        cause = likely_cause(content, signed.digest_name, signed.digest)
        raise Refusal(
            Code.SIGNATURE_DIGEST,
            f'The {signed.digest_name} digest in Reference URI="" is not that of the document as received'
            + (f": {cause}." if cause else "."),
            remedy=cause and SIGN_LAST,
            facts={"digest signed": signed.digest.hex(), "digest received": digest.hexdigest(), "certificate": key.fingerprint},
        )
    sha256 = digest if signed.digest_name == "sha256" else hashlib.sha256(content)
    return Verified(content, sha256.hexdigest(), signed.algorithm.name, key.fingerprint, signed.value, _MADE_BY_VERIFY)


def _the_signature(root: etree._Element) -> etree._Element:
    found = list(islice(root.iter(_SIGNATURE), 2))
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


def _remove(signature: etree._Element) -> None:
    root = signature.getparent()
    assert root is not None, "it is a child of the root"
    if signature.tail:
        # The blanks after it were signed. Slower, for it walks the whole tree.
        etree.strip_elements(root, _SIGNATURE, with_tail=False)
    else:
        root.remove(signature)


def _signing_key(signed: Signed, keys: Sequence[VerifyKey], policy: Policy) -> VerifyKey:
    for key in keys:
        if signed.fingerprint in (None, key.fingerprint) and _made(signed, key, policy):
            return key
    raise _no_key(signed, keys, policy)


def _made(signed: Signed, key: VerifyKey, policy: Policy) -> bool:
    """Whether this key, of an allowed kind and size, made the SignatureValue over SignedInfo."""
    algorithm = signed.algorithm
    return algorithm.fits(key.key) and policy.allows_size(key.key) and algorithm.made_by(key.key, signed.value, signed.info)


def _no_key(signed: Signed, keys: Sequence[VerifyKey], policy: Policy) -> Refusal:
    """Why none of ``keys`` counts: the first of these conditions that none of them meets."""
    came, name = signed.fingerprint, signed.algorithm.name
    pinned = [key for key in keys if came in (None, key.fingerprint)]
    fitting = [key for key in pinned if signed.algorithm.fits(key.key)]
    code, remedy = Code.SIGNATURE_INVALID, None
    if not keys:
        code, detail = Code.CERTIFICATE_UNKNOWN, "No certificate of the sender is announced for now."
    elif not pinned and (same := next((key for key in keys if _made(signed, key, policy)), None)):
        # Another certificate is another promise of when and for what the key is good: it is announced like any other.
        detail = f"The certificate in KeyInfo, {came}, is not one announced for the sender; its key is, in {same.fingerprint}."
        remedy = (
            "Announce the renewed certificate by a keys message or to your contact; until then name the announced one in KeyInfo."
        )
    elif not pinned:
        detail = f"The certificate in KeyInfo, {came}, is not one announced for the sender."
    elif not fitting:
        detail = f"No announced key of the sender is of the kind for {name}."
    elif not any(policy.allows_size(key.key) for key in fitting):
        code = Code.SIGNATURE_KEY_SIZE
        detail = f"The key for {name} must have {policy.min_rsa_bits} to {policy.max_rsa_bits} bits."
    elif any(_made(compact(signed), key, policy) for key in pinned):
        detail = "The SignatureValue is over SignedInfo without the blanks between its elements: the message was indented after it was signed."
        remedy = SIGN_LAST
    else:
        detail = f"No announced key of the sender made this {name} SignatureValue over SignedInfo."
    expected = ", ".join(key.fingerprint for key in keys)
    return Refusal(code, detail, remedy=remedy, facts={"certificates expected": expected, "certificate in KeyInfo": came or "none"})
