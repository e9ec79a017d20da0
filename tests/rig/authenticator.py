"""A device with passkeys, in software: as WebAuthn 3 has one make keys and sign (6.1, 6.3.2, 6.3.3), and as an attacker would."""

from __future__ import annotations

import json
import secrets
from hashlib import sha256
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url, encode_cbor

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Authenticator:
    """One key for one party. ``count`` is how often it has signed; ``verifies``: it makes sure who uses it; ``origin`` is what the browser
    says it is at."""

    def __init__(self, origin: str, *, verifies: bool = True) -> None:
        self.origin, self.count, self.verifies = origin, 0, verifies
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id, self.user = secrets.token_bytes(16), b""

    def make(self, options: dict[str, Any]) -> str:
        """A key for whoever asks, with no attestation."""
        self.user = base64url_to_bytes(options["user"]["id"])
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + encode_cbor(cose)
        data = self._data(options["rp"]["id"], ATTESTED) + attested
        attestation = encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})
        said = self._client("webauthn.create", options["challenge"])
        return self._credential(clientDataJSON=said, attestationObject=attestation)

    def sign(self, options: dict[str, Any]) -> str:
        """A proof that it has the key."""
        self.count += 1
        data, said = self._data(options["rpId"]), self._client("webauthn.get", options["challenge"])
        signature = self.key.sign(data + sha256(said).digest(), ec.ECDSA(SHA256()))
        return self._credential(clientDataJSON=said, authenticatorData=data, signature=signature, userHandle=self.user)

    def _data(self, party: str, more: int = 0) -> bytes:
        flags = PRESENT | (VERIFIED if self.verifies else 0) | more
        return sha256(party.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def _credential(self, **response: bytes) -> str:
        own = bytes_to_base64url(self.id)
        said = {name: bytes_to_base64url(value) for name, value in response.items()}
        return json.dumps({"id": own, "rawId": own, "type": "public-key", "response": said})
