"""Our own keys: one directory for each, rolled over at a moment that is known beforehand.

A key is *next* until its moment ``signs_from``, then *current* until the moment of the key after it, then *retired*; one that was to
take over and never will is *dropped*. The state is computed for the moment asked about and never stored: every node of an installation switches at the same instant without being
told, and partners, to whom the next certificate was announced, accept both while they overlap.

    <keys>/gateway-1/key.json          what this key is; no secret
                     certificate.pem   what partners pin
                     key.pem           PKCS#8, encrypted, mode 0600; absent where a token holds the key

Every fault is a ``Refusal`` (DATA_INVALID) whose sentence names what is wrong or missing.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from gateway.core import moments
from gateway.core.errors import Code, Refusal
from gateway.trust import pkcs11, selfsigned
from gateway.trust.selfsigned import MIN_RSA_BITS, Subject
from gateway.wire.algorithms import BY_NAME, KeySigner, PrivateKey, PublicKey, Signer
from gateway.wire.certificate import from_der, from_pem, validity_of

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
#: What every id looks like: a name, and which generation of it.
_ID = re.compile(r".+-[0-9]+")


class Purpose(StrEnum):
    PRODUCTION = "production"
    DEMO = "demo"


class State(StrEnum):
    NEXT = "next"
    CURRENT = "current"
    RETIRED = "retired"
    DROPPED = "dropped"


class KeyRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What ``key.json`` holds. ``algorithm`` is a short name of the signature profile; moments are aware UTC. ``dropped``: it was to
    take over and never will (``rollover``)."""

    name: str
    subject: Subject
    purpose: Purpose
    algorithm: str
    created: datetime
    signs_from: datetime
    token: pkcs11.Token | None = None
    dropped: datetime | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """One of our keys, without its secret. ``certificate`` is DER."""

    folder: Path
    record: KeyRecord
    certificate: bytes

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, in lower-case hex."""
        return hashlib.sha256(self.certificate).hexdigest()

    @property
    def x509(self) -> x509.Certificate:
        return from_der(self.certificate)

    @property
    def ends(self) -> datetime:
        """Until when the certificate is valid."""
        return validity_of(self.certificate).ends

    @property
    def pem(self) -> str:
        """The certificate as partners pin it."""
        return self.x509.public_bytes(Encoding.PEM).decode()

    @property
    def demo(self) -> bool:
        """Either mark is enough: editing key.json does not make a demo key anything else."""
        return self.record.purpose is Purpose.DEMO or selfsigned.is_demo(self.x509)

    def signer(self, passphrase: str) -> Signer:
        """Opens the private key; ``passphrase`` is that of the file, or the PIN of the token.

        A token's signer belongs to this process: a worker opens its own.
        """
        if self.record.token is not None:
            return pkcs11.open_signer(self.record.token, passphrase, self.record.algorithm, self.certificate)
        path = self.folder / "key.pem"
        try:
            private = load_pem_private_key(read_secret(path), passphrase.encode() or None)
        except (ValueError, TypeError) as error:
            raise Refusal(Code.DATA_INVALID, f"The passphrase does not open {path}.", remedy="Check AEO_KEY_PASSPHRASE.") from error
        if not isinstance(private, PrivateKey) or private.public_key() != self.x509.public_key():
            raise Refusal(Code.DATA_INVALID, f"{path} is not the key of the certificate beside it.")
        return KeySigner(private, self.certificate, self.record.algorithm)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys in one directory."""

    directory: Path

    def all(self, name: str | None = None) -> tuple[Key, ...]:
        """Every key, or every generation of one name, in the order in which they sign."""
        found = (open_key(path.parent) for path in self.directory.glob("[!.]*/key.json"))
        chosen = (key for key in found if name is None or key.record.name == name)
        return tuple(sorted(chosen, key=lambda key: (key.record.name, key.record.signs_from)))

    def states(self, name: str, moment: datetime) -> dict[str, State]:
        """What each generation of ``name`` is at ``moment``, by key id."""
        keys = self._signing(name)
        begun = [key for key in keys if key.record.signs_from <= moment]
        states = {key.id: State.NEXT if key not in begun else State.CURRENT if key == begun[-1] else State.RETIRED for key in keys}
        return {key.id: states.get(key.id, State.DROPPED) for key in self.all(name)}

    def _signing(self, name: str) -> list[Key]:
        """Every generation of one name that signs, did or will."""
        return [key for key in self.all(name) if key.record.dropped is None]

    def current(self, name: str, moment: datetime, *, production: bool) -> Key:
        """The key that signs at ``moment``."""
        begun = [key for key in self._signing(name) if key.record.signs_from <= moment]
        create = f"aeo-gateway key create {name} --purpose {Purpose.PRODUCTION if production else Purpose.DEMO}"
        if not begun:
            raise Refusal(Code.DATA_INVALID, f"There is no key named {name} in {self.directory}.", remedy=create)
        key = begun[-1]
        if production and key.demo:
            raise Refusal(
                Code.DATA_INVALID,
                f"AEO_MODE is production and {key.id} is a demo key: a production key named {name} is missing.",
                remedy=f"{create}, then announce its certificate to every partner.",
            )
        if moment > key.ends:
            ended = key.ends.isoformat()
            raise Refusal(
                Code.DATA_INVALID, f"The certificate of {key.id} expired at {ended}.", remedy=f"aeo-gateway key rotate {name}"
            )
        return key

    def rotate(
        self, name: str, passphrase: str, days: int, *, signs_from: datetime, now: datetime, token: pkcs11.Token | None = None
    ) -> Key:
        """Makes the key that takes over at ``signs_from``, like the one before it; ``token`` names the new key of a token.

        Its certificate is announced under the key before it, which must therefore outlive the switch. One switch at a time, or
        partners could not tell which announcement holds.
        """
        keys = self._signing(name)
        if not keys:
            raise Refusal(
                Code.DATA_INVALID, f"There is no key named {name} in {self.directory}.", remedy=f"aeo-gateway key create {name}"
            )
        last, old = keys[-1], keys[-1].record
        if old.signs_from > now:
            raise Refusal(
                Code.DATA_INVALID,
                f"{last.id} is already to take over at {old.signs_from.isoformat()}.",
                remedy=f"Rotate again once it has. If a key is stolen: aeo-gateway key hasten {name}, or aeo-gateway key drop {name}",
            )
        ends = last.ends
        if not now < signs_from <= ends:
            raise Refusal(
                Code.DATA_INVALID,
                f"The switch lies after now ({now.isoformat()}) and before {last.id}'s certificate ends ({ends.isoformat()}).",
            )
        if old.token is not None:
            if token is None or token == old.token:
                raise Refusal(Code.DATA_INVALID, f"{last.id} is held by a token: make a new key there and name it.")
            return create_token_key(
                self.directory,
                name,
                old.algorithm,
                old.subject,
                old.purpose,
                token,
                passphrase,
                days,
                now=now,
                signs_from=signs_from,
            )
        public = last.x509.public_key()
        bits = public.key_size if isinstance(public, rsa.RSAPublicKey) else MIN_RSA_BITS
        return create_file_key(
            self.directory,
            name,
            old.algorithm,
            old.subject,
            old.purpose,
            passphrase,
            days,
            now=now,
            signs_from=signs_from,
            rsa_bits=bits,
        )


def open_key(folder: Path) -> Key:
    """The key in ``folder``; its secret stays closed."""
    try:
        record = msgspec.json.decode((folder / "key.json").read_bytes(), type=KeyRecord)
        for moment in (record.created, record.signs_from, record.dropped or record.created):
            moments.meant(moment)
        certificate = from_pem((folder / "certificate.pem").read_bytes())
    except (OSError, ValueError) as error:
        raise Refusal(Code.DATA_INVALID, f"{folder} does not hold a readable key: {error}.") from error
    return Key(folder, record, certificate.public_bytes(Encoding.DER))


def create_file_key(
    directory: Path,
    name: str,
    algorithm: str,
    subject: Subject,
    purpose: Purpose,
    passphrase: str,
    days: int,
    *,
    now: datetime,
    signs_from: datetime | None = None,
    rsa_bits: int = MIN_RSA_BITS,
) -> Key:
    """Makes a key and its self-signed certificate, valid until ``days`` after ``signs_from`` (default ``now``).

    Only a demo key may do without a passphrase.
    """
    if not passphrase and purpose is Purpose.PRODUCTION:
        raise Refusal(Code.DATA_INVALID, "A production key needs a passphrase.", remedy="Set AEO_KEY_PASSPHRASE.")
    private = selfsigned.generate(algorithm, rsa_bits)
    record = KeyRecord(name, subject, purpose, algorithm, _utc(now), _utc(signs_from or now))
    certificate = selfsigned.sign(_certificate(record, private.public_key(), days), private)
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    return _store(directory, record, certificate, private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


def create_token_key(
    directory: Path,
    name: str,
    algorithm: str,
    subject: Subject,
    purpose: Purpose,
    token: pkcs11.Token,
    pin: str,
    days: int,
    *,
    now: datetime,
    signs_from: datetime | None = None,
) -> Key:
    """Records a key that a token holds already, with a certificate that the token signs."""
    public = pkcs11.public_key(token, pin)
    if algorithm not in BY_NAME or not BY_NAME[algorithm].fits(public):
        raise Refusal(Code.DATA_INVALID, f"{algorithm} does not fit the key {token.key}.")
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < MIN_RSA_BITS:
        raise Refusal(Code.DATA_INVALID, f"An RSA key has at least {MIN_RSA_BITS} bits; {token.key} has {public.key_size}.")
    record = KeyRecord(name, subject, purpose, algorithm, _utc(now), _utc(signs_from or now), token)
    issuing = pkcs11.open_signer(token, pin, "rsa-sha256" if isinstance(public, rsa.RSAPublicKey) else algorithm, None)
    return _store(directory, record, selfsigned.sign_elsewhere(_certificate(record, public, days), public, issuing), None)


def read_secret(path: Path) -> bytes:
    """The bytes of a file that nobody but its owner may read."""
    try:
        with path.open("rb") as file:
            # Asked of the open file: a path could be exchanged between looking and reading.
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Refusal(Code.DATA_INVALID, f"{path} is open to others than its owner.", remedy=f"chmod 600 {path}")
            return file.read()
    except OSError as error:
        raise Refusal(Code.DATA_INVALID, f"{path} cannot be read: {error.strerror}.") from error


def _certificate(record: KeyRecord, public: PublicKey, days: int) -> x509.CertificateBuilder:
    demo, ends = record.purpose is Purpose.DEMO, record.signs_from + timedelta(days=days)
    return selfsigned.builder(public, record.subject, demo=demo, begins=record.created, ends=ends)


def _store(directory: Path, record: KeyRecord, certificate: bytes, secret: bytes | None) -> Key:
    """Writes a key's directory whole or not at all; generations of one name are counted from 1."""
    if not _NAME.fullmatch(record.name):
        raise Refusal(Code.DATA_INVALID, "A key's name is of small letters, digits and hyphens.", field="name", value=record.name)
    directory.mkdir(parents=True, exist_ok=True)
    if _ID.fullmatch(record.name) and not KeyRing(directory).all(record.name):
        raise Refusal(
            Code.DATA_INVALID,
            "A key's name must not look like an id, which ends with a hyphen and a number.",
            field="name",
            value=record.name,
            remedy="Choose another name.",
        )
    generation = 1 + sum(key.record.name == record.name for key in KeyRing(directory).all())
    folder = directory / f"{record.name}-{generation}"
    key = Key(folder, record, certificate)
    building = Path(mkdtemp(prefix=".", dir=directory))
    try:
        if secret is not None:
            with os.fdopen(os.open(building / "key.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secret)
        (building / "certificate.pem").write_text(key.pem)
        (building / "key.json").write_bytes(msgspec.json.format(msgspec.json.encode(record)))
        building.rename(folder)
    except OSError as error:
        rmtree(building)
        raise Refusal(Code.DATA_INVALID, f"{folder} cannot be written: {error.strerror}.") from error
    return key


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
