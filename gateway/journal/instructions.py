"""How an outsider checks a piece of evidence by hand: the README.txt that lies in it."""

from __future__ import annotations

import re
from datetime import UTC

from gateway.journal.proof import EvidenceManifest
from gateway.wire.algorithms import BY_NAME

_README = """Evidence of message {message}
{underline}

{story}
Everything here can be checked with xmlsec1, openssl and sha256sum, in this folder, without us:

1. The message was signed with the key of certificates/message.pem ({message_algorithm}).

{verify_message}

   It says OK. Before that it may say that it cannot verify the certificate itself: whose that is comes last, under 7.

2. Its digest is the one that the receipt names: these two must be the same.

    sha256sum message-signed-content.xml
    grep -o '<x:Digest>[0-9a-f]*' receipt.xml

   message-signed-content.xml is message.xml without its signature, in Exclusive XML Canonicalization: the bytes that were signed.

3. The receipt was signed with the key of certificates/receipt.pem ({receipt_algorithm}).

{verify_receipt}

4. The journal's entry names the digest of the message and the SHA-256 of the receipt.

    grep -o '"digest":"[0-9a-f]*"' journal/entry.json
    grep -o '"receipt":"[0-9a-f]*"' journal/entry.json
    sha256sum receipt.xml

5. The entry is sealed in the journal (RFC 9162): hashed with its neighbours it gives the root in journal/checkpoint.txt.

{way}
    od -An -v -tx1 node.bin | tr -d ' \\n'; echo
    grep root journal/checkpoint.txt

6. The checkpoint was signed with the key of certificates/journal.pem ({algorithm}).

    openssl x509 -in certificates/journal.pem -pubkey -noout > journal.pub
    {verify_checkpoint}

7. Whose the certificates are no file can say. Compare these fingerprints with what was announced to you:

    openssl x509 -in certificates/message.pem -noout -fingerprint -sha256 -subject -dates
    openssl x509 -in certificates/receipt.pem -noout -fingerprint -sha256 -subject -dates
    openssl x509 -in certificates/journal.pem -noout -fingerprint -sha256 -subject -dates

   authorities/ holds what the partner's certificate leads to, revocation/ what was known of revocations when the message was judged:
   openssl crl -inform DER -text -noout -in revocation/...crl
   openssl ocsp -respin revocation/...ocsp -text -noverify
   With neither, the certificate was pinned itself.
"""


_XMLSEC = "    xmlsec1 --verify --pubkey-cert-pem certificates/{name}.pem {name}.xml"


#: What xmlsec1 verifies since always; RSA-PSS and Ed25519 came with 1.3.
_OLD = re.compile("ecdsa|rsa-sha")


def readme(manifest: EvidenceManifest) -> str:
    """How to check the file by hand, with the very commands."""
    way = ["    { printf '\\000'; cat journal/entry.json; } | openssl dgst -sha256 -binary > node.bin"]
    for step in manifest.path:
        pair = f"journal/{step.file} node.bin" if step.side == "left" else f"node.bin journal/{step.file}"
        way.append(f"    {{ printf '\\001'; cat {pair}; }} | openssl dgst -sha256 -binary > next.bin && mv next.bin node.bin")
    title = f"Evidence of message {manifest.message}"
    who = ("sent by", "received") if manifest.direction == "in" else ("sent to", "receipted")
    return _README.format(
        message=manifest.message,
        underline="=" * len(title),
        story=f"It was {who[0]} {manifest.partner} and {who[1]} at {manifest.at.astimezone(UTC).isoformat()} (clock of this gateway).",
        message_algorithm=manifest.message_algorithm,
        receipt_algorithm=manifest.receipt_algorithm,
        algorithm=manifest.algorithm,
        verify_message=_xmlsec("message", manifest.message_algorithm),
        verify_receipt=_xmlsec("receipt", manifest.receipt_algorithm),
        way="\n".join(way),
        verify_checkpoint=_openssl(manifest.algorithm),
    )


def _xmlsec(name: str, algorithm: str) -> str:
    note = "" if _OLD.match(algorithm) else f"\n\n   ({algorithm} needs xmlsec1 1.3 or later.)"
    return _XMLSEC.format(name=name) + note


def _openssl(algorithm: str) -> str:
    files = "-signature journal/checkpoint.sig journal/checkpoint.txt"
    if algorithm == "ed25519":
        return "openssl pkeyutl -verify -pubin -inkey journal.pub -rawin -sigfile journal/checkpoint.sig -in journal/checkpoint.txt"
    digest = BY_NAME[algorithm].digest
    padding = " -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest" if algorithm.startswith("rsa-pss") else ""
    return f"openssl dgst -{digest} -verify journal.pub{padding} {files}"
