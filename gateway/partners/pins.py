"""The files of a ``certs`` folder: what is pinned of a partner, and what each is for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from gateway.partners.faults import Fault
from gateway.wire.certificate import ask, extension, from_der, from_pem

#: What a file is for; it is named ``<role>-<anything>.pem``. ``signing``: the partner signs with it. ``client``: it connects to us with
#: it. ``server``: its server shows it, or a key, or has it from this authority. ``authority``: whom it is trusted through.
ROLES = ("server", "client", "signing", "authority")
_KEY, _SECRET = b"-----BEGIN PUBLIC KEY-----", b"PRIVATE KEY-----"
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def pins(folder: Path, name: Callable[[Path], str], faults: list[Fault]) -> Iterator[tuple[str, str]]:
    """Role and PEM of each file, written anew, so that nothing else that stands in it gets into a bundle. ``name`` is a file's for people."""
    kinds: dict[str, Path] = {}
    for path in sorted(folder.glob("*")):
        try:
            raw = path.read_bytes()
        except OSError as error:
            faults.append(Fault(name(path), "", f"It cannot be read: {error.strerror}.", "Only certificate files belong here."))
            continue
        found = [Fault(name(path), "", *said) for said in (*_named(path, raw), *_holds(raw))]
        role = path.stem.split("-")[0]
        if path.suffix == ".pem":
            try:
                kind, pem = _read(role, raw)
            except ValueError as error:
                found.append(Fault(name(path), "", str(error), "Put one certificate in each file, and never a key."))
            else:
                kinds |= {kind: path} if role == "server" else {}
                yield role, pem
        faults += found
    if {"key", "authority"} <= kinds.keys():
        problem = "Its server's key is pinned, and beside it an authority: the key alone would count."
        faults.append(Fault(name(kinds["authority"]), "", problem, "Remove one of them."))


def _named(path: Path, raw: bytes) -> Iterator[tuple[str, str]]:
    role, dash, rest = path.stem.partition("-")
    near = difflib.get_close_matches(role.lower(), ROLES, n=1, cutoff=0.5)
    if path.suffix != ".pem":
        called = f"{near[0] if near else 'signing'}{dash}{rest}.pem"
        remedy = f"Rename it to {called}." if b"-----BEGIN" in raw else "Certificates are PEM files whose names end in .pem."
        if _is_der(raw):
            remedy = f"Convert it: openssl x509 -inform der -in {path.name} -out {called}"
        yield "Nothing reads this file.", remedy
    elif role == "tls":
        remedy = (
            f"Name it server-{rest}.pem if its server shows it, client-{rest}.pem if it connects to us with it; or copy it to both."
        )
        yield "The name does not say which end of a connection the certificate is for.", remedy
    elif role not in ROLES:
        more = f" Did you mean {near[0]}{dash}{rest}.pem?" if near else ""
        yield "The name does not say what the certificate is for.", f"Begin it with one of {', '.join(ROLES)}.{more}"


def _holds(raw: bytes) -> Iterator[tuple[str, str]]:
    if raw.startswith(_MARKS):
        yield "The file begins with a byte order mark.", "Save it as plain ASCII, without one."
    if _SECRET in raw:
        told = "Take it out, and tell the partner: whoever could read the file may have its key."
        yield "A private key stands in this file.", told


def _read(role: str, raw: bytes) -> tuple[str, str]:
    """What it is, and its PEM. Raises ``ValueError`` with the sentence."""
    if role == "server" and _KEY in raw and b"-----BEGIN CERTIFICATE-----" not in raw:
        try:
            key = ask(lambda: load_pem_public_key(raw))
        except ValueError:
            raise ValueError("This is no public key in PEM.") from None
        return "key", key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    try:
        certificate = from_pem(raw)
    except ValueError:
        raise ValueError("This is no X.509 certificate in PEM.") from None
    constraints = extension(certificate, x509.BasicConstraints)
    return "authority" if constraints and constraints.ca else "certificate", certificate.public_bytes(Encoding.PEM).decode()


def _is_der(raw: bytes) -> bool:
    try:
        from_der(raw)
    except ValueError:
        return False
    return True
