"""TLS to a server: what it must prove itself by, and what we prove ourselves with."""

from __future__ import annotations

import ssl
from functools import lru_cache

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.net.guard import Guard, Identity, ServerTrust, Unreachable, UnreachableReason
from gateway.wire.certificate import ask, from_der

#: The state of our own files: when each was last written.
Stamp = tuple[int, int] | None


def stamp_of(identity: Identity | None) -> Stamp:
    """Raises ``Unreachable`` where a file is missing."""
    if identity is None:
        return None
    try:
        return identity.certificate.stat().st_mtime_ns, identity.key.stat().st_mtime_ns
    except OSError as error:
        raise Unreachable(UnreachableReason.TLS, f"our client certificate cannot be read: {error}") from error


def context(guard: Guard) -> ssl.SSLContext:
    """Raises ``Unreachable`` where nothing is left to trust, or our own files cannot be opened."""
    if guard.server == ServerTrust():
        raise Unreachable(UnreachableReason.TLS, "nothing that was pinned for its server is still accepted")
    try:
        return _context(guard.server, guard.identity, stamp_of(guard.identity))
    except (ssl.SSLError, OSError) as error:
        raise Unreachable(UnreachableReason.TLS, f"our client certificate cannot be opened: {error}") from error


@lru_cache(maxsize=256)
def _context(server: ServerTrust | None, identity: Identity | None, stamp: Stamp) -> ssl.SSLContext:
    """Made once for each set of pins and each state of our own files, which ``stamp`` tells."""
    del stamp
    if server is None:
        made = ssl.create_default_context()
    elif server.keys:
        # The handshake proves that the server holds the key of the certificate it shows; ``check_key`` looks whose key that is before a
        # byte of the message is sent.
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    else:
        # Only a chain that ends at a pinned certificate stands, and the server's own may be that end: anything else fails in the
        # handshake, before a byte of the message is sent.
        made = ssl.create_default_context(cadata="".join(ssl.DER_cert_to_PEM_cert(pin) for pin in server.certificates))
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if identity:
        # Never without a passphrase: OpenSSL would ask for one at the terminal.
        made.load_cert_chain(identity.certificate, identity.key, identity.passphrase)
    return made


def check_key(server: ServerTrust | None, shown: bytes | None) -> None:
    """Where keys are pinned: that the certificate (DER) that the server has ``shown`` is of one of them. Raises ``Unreachable``."""
    if server is None or not server.keys or shown in server.certificates:
        return
    try:
        key = public_key(shown or b"")
    except ValueError as error:
        raise Unreachable(UnreachableReason.TLS, f"the server's certificate cannot be read: {error}") from error
    if key not in server.keys:
        raise Unreachable(UnreachableReason.TLS, "the server's key is none of those that are pinned")


def public_key(der: bytes) -> bytes:
    """The public key (DER) of a certificate. Raises ``ValueError``."""
    certificate = from_der(der)
    return ask(lambda: certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
