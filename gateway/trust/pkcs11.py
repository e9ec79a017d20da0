"""Keys that a PKCS#11 token holds and never gives away.

One logged-in session per token and process. Sessions do not survive a fork and are not for two threads at once: workers are
spawned and open their own, and a lock guards each. A session that the token dropped (restart, network) is opened again once.

A token that keeps its state in files (SoftHSM2) writes them at every login, and who looks at that moment sees no token or a
broken one: opening tries again for half a second, so that nodes and workers may start together.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any, TypeVar

import msgspec
import pkcs11
from asn1crypto.core import OctetString
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pkcs11 import MGF, Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import GeneralError, NoSuchKey, NoSuchToken, PinIncorrect, PKCS11Error, UserAlreadyLoggedIn
from pkcs11.util.ec import encode_ec_public_key
from pkcs11.util.rsa import encode_rsa_public_key

from gateway.core.errors import Code, Refusal
from gateway.wire.algorithms import BY_NAME, PublicKey, Signer, VerifyKey

T = TypeVar("T")

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
#: Seconds between the tries to open a token that is not there, or not whole, at this moment.
_PAUSES = (0.05, 0.1, 0.15, 0.2)
#: Modules through which this process has opened a session.
_OPENED: set[str] = set()
_DIGESTS = {"ecdsa-p256-sha256": hashlib.sha256, "ecdsa-p384-sha384": hashlib.sha384}


class Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a key is: the PKCS#11 ``module`` (path of the library), the ``token`` and the ``key`` in it, both by label."""

    module: str
    token: str
    key: str


def open_signer(token: Token, pin: str, algorithm: str, certificate: bytes | None) -> Signer:
    """A signer on the token. Raises ``Refusal`` (DATA_INVALID) where module, token, PIN or key are not as said.

    With a ``certificate`` (DER) a trial signature shows that the key is its own: labels are easily mixed up.
    """
    if algorithm not in _MECHANISMS:
        raise Refusal(Code.DATA_INVALID, "The signature profile has no such algorithm.", field="algorithm", value=algorithm)
    signer = _TokenSigner(_session(token.module, token.token, pin), token.key, algorithm, certificate)
    signer.session.use(ObjectClass.PRIVATE_KEY, token.key, lambda key: key)
    if certificate is not None:
        row, public = BY_NAME[algorithm], VerifyKey.from_certificate(certificate).key
        if not row.fits(public) or not row.made_by(public, signer.sign(b"trial"), b"trial"):
            raise Refusal(Code.DATA_INVALID, f"The key {token.key} of the token {token.token} is not the key of the certificate.")
    return signer


def public_key(token: Token, pin: str) -> PublicKey:
    """The public half of the key. Raises as ``open_signer`` does, and where the key is of a kind that the profile does not use."""
    public = _session(token.module, token.token, pin).use(ObjectClass.PUBLIC_KEY, token.key, _public)
    if not isinstance(public, PublicKey):
        raise Refusal(Code.DATA_INVALID, f"The key {token.key} is neither RSA nor elliptic curve nor Ed25519.")
    return public


def _public(key: Any) -> object:
    if key.key_type is KeyType.EC_EDWARDS:
        return Ed25519PublicKey.from_public_bytes(OctetString.load(key[Attribute.EC_POINT]).native)
    encode = {KeyType.RSA: encode_rsa_public_key, KeyType.EC: encode_ec_public_key}.get(key.key_type)
    return encode and load_der_public_key(encode(key))


class _Session:
    """A logged-in session that opens itself again once when it was lost. The PIN stays in memory for that."""

    def __init__(self, module: str, label: str, pin: str) -> None:
        self._module, self._label, self._pin = module, label, pin
        self._lock = Lock()
        self._keys: dict[tuple[ObjectClass, str], Any] = {}
        self._open = self._login()

    def _login(self) -> pkcs11.Session:
        for pause in (*_PAUSES, None):
            try:
                session = pkcs11.lib(self._module).get_token(token_label=self._label).open(user_pin=self._pin)
            except (PinIncorrect, UserAlreadyLoggedIn):
                # Never again with the same PIN: three wrong ones lock a token.
                problem = f"The PIN does not open the token {self._label}."
                break
            except NoSuchToken:
                problem, passing = f"The module {self._module} has no token labelled {self._label}.", True
            except (PKCS11Error, RuntimeError) as error:
                problem = f"The token {self._label} cannot be opened through {self._module}: {type(error).__name__}."
                passing = isinstance(error, GeneralError)
            else:
                _OPENED.add(self._module)
                return session
            if pause is None or not passing:
                break
            time.sleep(pause)
            # The module lists its tokens when it is loaded. Once a session is open, loading it anew would end that one and
            # let its handles name another token's keys.
            if self._module not in _OPENED:
                pkcs11.lib(self._module).reinitialize()
        raise Refusal(Code.DATA_INVALID, problem)

    def use(self, kind: ObjectClass, label: str, act: Callable[[Any], T]) -> T:
        """What ``act`` gives for a key; tried a second time with a new session where the token fails with the first.

        Raises ``Refusal``: DATA_INVALID where there is no such key, INTERNAL (retryable) where the token does not answer.
        """
        with self._lock:
            try:
                return act(self._find(kind, label))
            except PKCS11Error:
                self._keys.clear()
            try:
                with suppress(PKCS11Error):
                    self._open.close()
                self._open = self._login()
                return act(self._find(kind, label))
            except (PKCS11Error, Refusal) as error:
                raise Refusal(Code.INTERNAL, facts={"token": self._label, "error": f"{type(error).__name__} {error}"}) from error

    def _find(self, kind: ObjectClass, label: str) -> Any:
        """The handle of a key; kept, for finding it costs more than signing with it."""
        if (kind, label) not in self._keys:
            try:
                self._keys[kind, label] = self._open.get_key(object_class=kind, label=label)
            except NoSuchKey:
                raise Refusal(Code.DATA_INVALID, f"The token {self._label} holds no {kind.name} labelled {label}.") from None
        return self._keys[kind, label]


#: Kept for the life of the process: closing one session logs every other session of the token out.
_session = cache(_Session)


@dataclass(frozen=True, slots=True)
class _TokenSigner:
    session: _Session
    label: str
    algorithm: str
    certificate: bytes | None

    def sign(self, data: bytes) -> bytes:
        mechanism, parameter = _MECHANISMS[self.algorithm]
        if self.algorithm in _DIGESTS:
            data = _DIGESTS[self.algorithm](data).digest()
        return self.session.use(
            ObjectClass.PRIVATE_KEY, self.label, lambda key: bytes(key.sign(data, mechanism=mechanism, mechanism_param=parameter))
        )
