"""How fast and how small signing and verifying are, beside signxml and beside the physical floor, in one run.

A row: ``id``, ``value`` and ``unit`` of ours, ``beside`` (the same measured for signxml used as its documentation shows, with key and
certificate as PEM; in a "prepared" row with objects made before; in a floor row, for the operations that nothing can do without), ``ratio`` (ours over that for rates and memory, that over ours for seconds), ``goal`` and ``pass`` (None
where there is no goal, or in a smoke run).
"""

from __future__ import annotations

import hashlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from gateway.wire.signature import sign, verify
from gateway.wire.xml import parse
from tests.bench import general
from tests.rig.machine import REPO
from tests.wire.differential.documents import pem_certificate, write_keys
from tests.wire.kit import ALL, certificate, message, private_key, signer, verify_key

Work = Callable[[], object]
Row = dict[str, Any]


def rows(smoke: bool) -> list[Row]:
    """Every row. ``smoke`` only shows that the measurements run: tiny sizes, goals not judged."""
    seconds, operators, times = (0.02, 50, 1) if smoke else (2.0, 25_000, 5)
    unsigned = message(operators)
    signed = sign(unsigned, signer())
    found = [*_one_record(seconds), *_list(unsigned, signed, times), *_memory(unsigned, signed)]
    return [row | {"pass": None} for row in found] if smoke else found


def _key() -> ec.EllipticCurvePrivateKey:
    key = private_key("p256")
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _works(unsigned: bytes, signed: bytes) -> dict[str, tuple[Work, Work, Work]]:
    """For signing and for verifying: ours, signxml's, and signxml's with everything prepared."""
    key, by, pinned = _key(), signer(), [verify_key("p256")]
    there, pem = x509.load_der_x509_certificate(certificate("p256")), pem_certificate("p256").decode()
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return {
        "sign": (
            lambda: sign(unsigned, by),
            lambda: general.sign(unsigned, key_pem, pem),
            lambda: general.sign(unsigned, key, there),
        ),
        "verify": (
            lambda: verify(parse(signed), pinned, ALL),
            lambda: general.verify(signed, pem),
            lambda: general.verify(signed, there),
        ),
    }


def _one_record(seconds: float) -> list[Row]:
    unsigned = message()
    key, scheme = _key(), ec.ECDSA(hashes.SHA256())
    value, public = key.sign(b"x", scheme), key.public_key()
    floors: dict[str, Work] = {"sign": lambda: key.sign(b"x", scheme), "verify": lambda: public.verify(value, b"x", scheme)}
    found = []
    for what, works in _works(unsigned, sign(unsigned, signer())).items():
        ours, theirs, prepared, floor = _rates(seconds, (*works, floors[what]))
        found.append(_row(f"signature.record.{what}", ours, "1/s", theirs, ours / theirs, 2.5))
        found.append(
            _row(f"signature.record.{what}.prepared: signxml with keys as objects", ours, "1/s", prepared, ours / prepared)
        )
        found.append(_row(f"signature.record.{what}.floor: P-256 alone", ours, "1/s", floor, ours / floor))
    return found


def _list(unsigned: bytes, signed: bytes, times: int) -> list[Row]:
    found = [_row("signature.list.size", len(signed) / 2**20, "MiB")]
    for what, (work, _, prepared) in _works(unsigned, signed).items():
        ours, theirs, floor = _durations(times, (work, prepared, lambda: _floor(signed)))
        found.append(_row(f"signature.list.{what}", ours, "s", theirs, theirs / ours, 2.0))
        found.append(_row(f"signature.list.{what}.floor: parse, c14n and SHA-256", ours, "s", floor, floor / ours))
    return found


def _floor(data: bytes) -> bytes:
    content = etree.tostring(etree.fromstring(data), method="c14n", exclusive=True, with_comments=False)
    return hashlib.sha256(content).digest()


def _memory(unsigned: bytes, signed: bytes) -> list[Row]:
    """The peak of a whole process, interpreter and message included."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        files = write_keys(Path(name), "p256")
        for what, data in (("sign", unsigned), ("verify", signed)):
            sent = Path(name) / "message.xml"
            sent.write_bytes(data)
            ours, theirs = (_peak(who, what, sent, files["pem"], files["certificate"]) for who in ("gateway", "signxml"))
            found.append(_row(f"signature.list.{what}.peak", ours, "MiB", theirs, ours / theirs, 0.7))
    return found


def _peak(*arguments: str | Path) -> float:
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.peak", *arguments], cwd=REPO, capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def _row(
    name: str, value: float, unit: str, beside: float | None = None, ratio: float | None = None, goal: float | None = None
) -> Row:
    reached = None if goal is None or ratio is None else (ratio <= goal if unit == "MiB" else ratio >= goal)
    return {"id": name, "value": value, "unit": unit, "beside": beside, "ratio": ratio, "goal": goal, "pass": reached}


def _rates(seconds: float, works: tuple[Work, ...]) -> list[float]:
    """Times a second of CPU (nothing here waits), the best of ten rounds in which each has its turn: a noisy neighbour then disturbs
    all alike."""
    best = [0.0] * len(works)
    for _ in range(10):
        for place, work in enumerate(works):
            count, start, passed = 0, time.process_time(), 0.0
            while passed < seconds / 10:
                work()
                count, passed = count + 1, time.process_time() - start
            best[place] = max(best[place], count / passed)
    return best


def _durations(times: int, works: tuple[Work, ...]) -> list[float]:
    """Seconds of CPU, the median of so many turns each."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for place, work in enumerate(works):
            start = time.process_time()
            work()
            taken[place].append(time.process_time() - start)
    return [statistics.median(each) for each in taken]
