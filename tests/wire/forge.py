"""Makes the document of one signature vector: a properly signed message, and then what an attacker does to it.

A vector's fields, all optional but the first four:
- ``id``, ``why``, ``citation``, ``code`` (the refusal, or ``accepted``)
- ``algorithm``: what the honest message is signed with. ``key`` instead of the usual one of its kind; ``key_info`` false leaves it out
- ``signed_info``: pairs [old, new] changed in SignedInfo before the key signs it anew, so that nothing but the profile can object
- ``value``: another SignatureValue, by the name of a function below
- ``change``: the same in the finished document. [old, new, times] puts ``new`` so many times before ``old``; each ``old`` must be there
- ``dense``: as dense as the limits let through; what libxml2 alone takes for such a document is no part of the bound on its CPU
- ``document``: a whole document in which ``{original}``, ``{signed}``, ``{signature}``, ``{header}``, ``{payload}``, ``{evil}`` stand for the
  unsigned message, the signed one, its signature, its parts, and a payload that revokes nothing and grants everything
- ``pinned`` (names of keys; by default the one that signed), ``policy`` (short names; by default every one)
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from gateway.wire.algorithms import ALGORITHMS, KeySigner, Policy, VerifyKey
from gateway.wire.profile import DS
from gateway.wire.signature import sign
from gateway.wire.xml import canonical
from tests.rig.vectors import spread
from tests.wire.kit import certificate, message, private_key, signer, verify_key

_SIGNED_INFO = re.compile("<ds:SignedInfo[ >].*</ds:SignedInfo>", re.DOTALL)
_VALUE = re.compile("(?<=<ds:SignatureValue>)[^<]*")
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def forge(vector: dict[str, Any]) -> bytes:
    """The bytes that arrive."""
    original = message().decode()
    honest = _signer(vector)
    signed = sign(original.encode(), honest).decode()
    if "signed_info" in vector:
        signed = resign(_changed(signed, vector["signed_info"]), honest)
    if "value" in vector:
        value = _VALUES[vector["value"]](_signed_bytes(signed), b64decode(_found(_VALUE, signed)))
        signed = _VALUE.sub(b64encode(value).decode(), signed)
    if "document" in vector:
        signed = vector["document"].strip().format(**_parts(original, signed))
    return _changed(signed, vector.get("change", []), _parts(original, signed)).encode()


def pinned(vector: dict[str, Any]) -> list[VerifyKey]:
    """The keys that the receiver has pinned for this sender."""
    if "pinned" in vector:
        return [verify_key(name) for name in vector["pinned"]]
    der = _signer({**vector, "key_info": True}).certificate
    assert der is not None
    return [VerifyKey.from_certificate(der)]


def policy(vector: dict[str, Any]) -> Policy:
    """What the receiver accepts from this sender."""
    return Policy(frozenset(vector.get("policy", ALGORITHMS)))


def resign(signed: str, by: KeySigner) -> str:
    """``signed`` with the SignatureValue that ``by`` gives its SignedInfo as it stands now."""
    return _VALUE.sub(b64encode(by.sign(_signed_bytes(signed))).decode(), signed, count=1)


def _signer(vector: dict[str, Any]) -> KeySigner:
    return signer(vector.get("algorithm", "ecdsa-p256-sha256"), name=vector.get("key"), key_info=vector.get("key_info", True))


def _signed_bytes(signed: str) -> bytes:
    standing_alone = _found(_SIGNED_INFO, signed).replace("<ds:SignedInfo", f'<ds:SignedInfo xmlns:ds="{DS}"', 1)
    return canonical(etree.fromstring(standing_alone))


def _found(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    assert match is not None
    return match[0]


def _parts(original: str, signed: str) -> dict[str, str]:
    payload = _found(re.compile("<x:Payload>.*</x:Payload>", re.DOTALL), original)
    signature = re.search("<ds:Signature .*</ds:Signature>", signed, re.DOTALL)
    attacker = certificate("other-p256")
    return {
        "original": original,
        "signed": signed,
        "signature": signature[0] if signature else "",
        "header": _found(re.compile("<x:Header>.*</x:Header>", re.DOTALL), original),
        "payload": payload,
        "evil": payload.replace("XA000000000000", "XA666666666666"),
        "certificate": b64encode(certificate("p256")).decode(),
        "attacker": b64encode(attacker).decode(),
    }


def _changed(text: str, pairs: list[list[Any]], parts: dict[str, str] | None = None) -> str:
    for old, new, *times in pairs:
        for name, part in (parts or {}).items():
            old, new = old.replace("{" + name + "}", part), new.replace("{" + name + "}", part)
        assert old in text, f"{old!r} is not there to be changed"
        text = text.replace(old, spread(new, times[0]) + old if times else new, 1)
    return text


# Other SignatureValues, from the bytes that were signed and the honest value.


def _hmac_of_public_key(data: bytes, _: bytes) -> bytes:
    public = (
        private_key("p256").public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return hmac.digest(public, data, hashlib.sha256)


def _der(_: bytes, value: bytes) -> bytes:
    return encode_dss_signature(int.from_bytes(value[:32], "big"), int.from_bytes(value[32:], "big"))


def _with_s(value: bytes, s: int, size: int = 32) -> bytes:
    return value[:32] + s.to_bytes(size, "big")


_VALUES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "hmac of the public key": _hmac_of_public_key,
    "der": _der,
    "r = 0": lambda _, value: bytes(32) + value[32:],
    "s = 0": lambda _, value: _with_s(value, 0),
    "both = 0": lambda _, value: bytes(64),
    "r = n": lambda _, value: _P256_ORDER.to_bytes(32, "big") + value[32:],
    "s = n": lambda _, value: _with_s(value, _P256_ORDER),
    "s + n": lambda _, value: _with_s(value, int.from_bytes(value[32:], "big") + _P256_ORDER, 33),
    "a leading zero": lambda _, value: b"\0" + value,
    "zeros before r and s": lambda _, value: b"\0" + value[:32] + b"\0" + value[32:],
    "a trailing zero": lambda _, value: value + b"\0",
    "the last byte missing": lambda _, value: value[:-1],
    "nothing": lambda _, value: b"",
    "one bit flipped": lambda _, value: value[:-1] + bytes([value[-1] ^ 1]),
    "as of another key": lambda data, _: signer(name="other-p256").sign(data),
    "another hash": lambda data, _: signer("rsa-sha512").sign(data),
}
