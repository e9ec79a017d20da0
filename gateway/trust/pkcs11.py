"""Keys that a PKCS#11 token holds and never gives away.

One logged-in session per token and process. Sessions do not survive a fork and are not for two threads at once: workers are
spawned and open their own, and a lock guards each. A session that the token dropped (restart, network) is opened again once.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

import msgspec
import pkcs11
from asn1crypto.core import OctetString
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import MGF, Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import NoSuchKey, NoSuchToken, PinIncorrect, PKCS11Error, UserAlreadyLoggedIn
from pkcs11.util.ec import encode_ec_public_key
from pkcs11.util.rsa import encode_rsa_public_key

from gateway.core.errors import Code, Refusal
from gateway.wire.algorithms import PublicKey, Signer

#: Mechanism and parameter by short name. Curves get the digest, made here: not every token hashes.
_MECHANISMS: dict[str, tuple[Mechanism, Any]] = {
    "rsa-sha256": (Mechanism.SHA256_RSA_PKCS, None),
    "rsa-sha384": (Mechanism.SHA384_RSA_PKCS, None),
    "rsa-sha512": (Mechanism.SHA512_RSA_PKCS, None),
    "rsa-pss-sha256": (Mechanism.SHA256_RSA_PKCS_PSS, (Mechanism.SHA256, MGF.SHA256, 32)),
    "rsa-pss-sha384": (Mechanism.SHA384_RSA_PKCS_PSS, (Mechanism.SHA384, MGF.SHA384, 48)),
    "rsa-pss-sha512": (Mechanism.SHA512_RSA_PKCS_PSS, (Mechanism.SHA512, MGF.SHA512, 64)),
    "ecdsa-p256-sha256": (Mechanism.ECDSA, None),
    "ecdsa-p384-sha384": (Mechanism.ECDSA, None),
    "ed25519": (Mechanism.EDDSA, None),
}
_DIGESTS = {"ecdsa-p256-sha256": hashlib.sha256, "ecdsa-p384-sha384": hashlib.sha384}


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a key is: the PKCS#11 ``module`` (path of the library), the ``token`` and the ``key`` in it, both by label."""

    module: str
    token: str
    key: str


def open_signer(token: Token, pin: str, algorithm: str, certificate: bytes | None) -> Signer:
    """A signer on the token. Raises ``Refusal`` (DATA_INVALID) where module, token, PIN or key are not as said."""
    session = _session(token.module, token.token, pin)
    session.find(ObjectClass.PRIVATE_KEY, token.key)
    return _TokenSigner(session, token.key, algorithm, certificate)


def public_key(token: Token, pin: str) -> PublicKey:
    """The public half of the key. Raises as ``open_signer`` does, and where the key is of a kind that the profile does not use."""
    key = _session(token.module, token.token, pin).find(ObjectClass.PUBLIC_KEY, token.key)
    if key.key_type is KeyType.EC_EDWARDS:
        return Ed25519PublicKey.from_public_bytes(OctetString.load(key[Attribute.EC_POINT]).native)
    encode = {KeyType.RSA: encode_rsa_public_key, KeyType.EC: encode_ec_public_key}.get(key.key_type)
    public = encode and load_der_public_key(encode(key))
    if not isinstance(public, PublicKey):
        raise Refusal(Code.DATA_INVALID, f"The key {token.key} is neither RSA nor elliptic curve nor Ed25519.")
    return public


class _Session:
    """A logged-in session that opens itself again once when it was lost. The PIN stays in memory for that."""

    def __init__(self, module: str, label: str, pin: str) -> None:
        self._module, self._label, self._pin = module, label, pin
        self._lock = Lock()
        self._keys: dict[tuple[ObjectClass, str], Any] = {}
        self._open = self._login()

    def _login(self) -> pkcs11.Session:
        try:
            return pkcs11.lib(self._module).get_token(token_label=self._label).open(user_pin=self._pin)
        except NoSuchToken:
            problem = f"The module {self._module} has no token labelled {self._label}."
        except (PinIncorrect, UserAlreadyLoggedIn):
            problem = f"The PIN does not open the token {self._label}."
        except (PKCS11Error, RuntimeError) as error:
            problem = f"The token {self._label} cannot be opened through {self._module}: {type(error).__name__}."
        raise Refusal(Code.DATA_INVALID, problem)

    def find(self, kind: ObjectClass, label: str) -> Any:
        """The handle of a key; kept, for finding costs more than signing."""
        if (kind, label) not in self._keys:
            try:
                self._keys[kind, label] = self._open.get_key(object_class=kind, label=label)
            except NoSuchKey:
                raise Refusal(Code.DATA_INVALID, f"The token {self._label} holds no {kind.name} labelled {label}.") from None
        return self._keys[kind, label]

    def sign(self, label: str, data: bytes, mechanism: Mechanism, parameter: Any) -> bytes:
        with self._lock:
            try:
                return self._sign(label, data, mechanism, parameter)
            except PKCS11Error:
                self._keys.clear()
                self._open = self._login()
            try:
                return self._sign(label, data, mechanism, parameter)
            except PKCS11Error as error:
                raise Refusal(Code.INTERNAL, facts={"token": self._label, "error": type(error).__name__}) from error

    def _sign(self, label: str, data: bytes, mechanism: Mechanism, parameter: Any) -> bytes:
        return bytes(self.find(ObjectClass.PRIVATE_KEY, label).sign(data, mechanism=mechanism, mechanism_param=parameter))


#: Kept for the life of the process: closing one session logs every other session of the token out.
_session = cache(_Session)


@dataclass(frozen=True, slots=True)
class _TokenSigner:
    session: _Session
    label: str
    algorithm: str
    certificate: bytes | None

    def sign(self, data: bytes) -> bytes:
        if self.algorithm in _DIGESTS:
            data = _DIGESTS[self.algorithm](data).digest()
        return self.session.sign(self.label, data, *_MECHANISMS[self.algorithm])
