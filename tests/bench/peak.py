"""``python -m tests.bench.peak gateway|signxml sign|verify <message> <key.pem> <certificate.pem>``: prints the peak of the process in MiB.

Each has a process of its own, and imports only what it needs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from tests.rig.bounds import resident


def main(who: str, what: str, message: str, key_file: str, certificate_file: str) -> None:
    key = load_pem_private_key(Path(key_file).read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    certificate = x509.load_pem_x509_certificate(Path(certificate_file).read_bytes())
    data = Path(message).read_bytes()
    if who == "signxml":
        from tests.bench import general

        if what == "sign":
            general.sign(data, key, certificate)
        else:
            general.verify(data, certificate)
    else:
        from gateway.wire.signature import ALGORITHMS, KeySigner, Policy, VerifyKey, sign, verify
        from gateway.wire.xml import parse

        der = certificate.public_bytes(Encoding.DER)
        if what == "sign":
            sign(data, KeySigner(key, der))
        else:
            verify(parse(data), [VerifyKey.from_certificate(der)], Policy(ALGORITHMS))
    print(resident("VmHWM"))


if __name__ == "__main__":
    main(*sys.argv[1:])
