"""By what a partner's server proves itself to us: what is pinned for it, and nothing else.

Files called ``server-*.pem``, whatever they hold; where there is none, the partner's authorities; where there is none either, whoever a
public authority vouches for. What was withdrawn counts no more, and where nothing is left, nobody is believed.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from gateway.net import ServerTrust
from gateway.partners import Bundle
from gateway.wire.certificate import ask, from_pem

#: Whose files may hold a mere key.
SERVERS = ("server",)
_KEY = "-----BEGIN PUBLIC KEY-----"


def server_trust(bundle: Bundle, gone: Callable[[bytes], bool] = lambda _: False) -> ServerTrust | None:
    """``gone``: whether a certificate (DER) was withdrawn. What cannot be read is as good as withdrawn."""
    files = [pem for role, pem in bundle.certificates if role in SERVERS]
    files = files or [pem for role, pem in bundle.certificates if role == "authority"]
    if not files:
        return None
    certificates, keys = list[bytes](), list[bytes]()
    for pem in files:
        try:
            if pem.startswith(_KEY):
                keys.append(key_in(pem))
            else:
                certificates.append(from_pem(pem.encode()).public_bytes(Encoding.DER))
        except ValueError:
            continue
    return ServerTrust(tuple(der for der in certificates if not gone(der)), tuple(key for key in keys if not gone(key)))


def shown_by(bundle: Bundle) -> tuple[bytes, ...]:
    """Certificates (DER) that are pinned for its server."""
    return (server_trust(bundle) or ServerTrust()).certificates if any(role in SERVERS for role, _ in bundle.certificates) else ()


def key_in(pem: str) -> bytes:
    """The public key (DER) in a file that the loader has checked. Raises ``ValueError``."""
    return ask(lambda: load_pem_public_key(pem.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
