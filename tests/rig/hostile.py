"""One partner that is hostile in every way it can be: ``python -m tests.rig.hostile HOME ISO VICTIM PORT ENDPOINT SECONDS``.

It holds the key that the gateway knows it by, so what it signs is taken for what it is; VICTIM is another, whose signatures it has seen.
It says when it has made ready, waits for a line, plays ``WAYS`` in turn for so many seconds, and meanwhile answers at port ENDPOINT in
every way of ``ENDINGS``; for 0 seconds it answers well and does nothing else. The last line says what it was answered how often, by way.
It steps back for the gateway (``nice``): in life it works on a machine of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import count, cycle
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec.structs import replace

from gateway.core.model import Kind, Picture, Priority, Standing
from gateway.core.protocol import Announced, Proof, Receipt, RecordResult, Resend, possession
from gateway.sandbox.box import Box
from gateway.settings import Settings
from gateway.trust.keys import KeyRing
from gateway.trust.selfsigned import Subject, builder, sign
from gateway.wire import payloads
from gateway.wire.algorithms import KeySigner, Signer
from tests.rig.boxes import box_of
from tests.rig.installation import now
from tests.rig.keys import announced
from tests.rig.lines import Line, identifier
from tests.rig.shipped import installed

#: Where it calls from, on so many lines, and how many requests a second it makes (choice: as many as the stranger of ``make bench``).
ADDRESS, LINES, RATE = "127.0.0.66", 50, 200
#: Operators of a list that would change everything, which is some megabytes.
MANY = 5_000
MIB = 2**20
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
ABSURD = ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400, "-1", "1e400", "nan")
#: How its endpoint answers one delivery after the other. In between it takes one: where nothing works the line rests, and it were quiet.
ENDINGS = (
    "drips",
    "well",
    "later",
    "well",
    "endless",
    "well",
    "forged",
    "well",
    "captured",
    "well",
    "elsewhere",
    "well",
    "heads",
    "well",
)
_CODE = re.compile(rb'<x:Code>([a-z-]+)|"code":"([a-z-]+)"')


class Asked(NamedTuple):
    """A request: its body, what stands in its head beside the usual, and how long it says it is where that is not so."""

    body: bytes
    headers: tuple[str, ...] = ()
    announced: int | None = None


class Enemy:
    """``box`` is itself; ``answers`` what it was answered, by way."""

    def __init__(self, home: Path, iso: str, victim: str, port: int) -> None:
        settings = Settings.model_validate({"home": home})
        (self.ours,) = KeyRing(settings.keys).all()
        ring = KeyRing(home / "boxes")
        self.box, self.victim = (
            box_of(installed(one, settings.site), ring.all(one.lower())[0], self.ours, now) for one in (iso, victim)
        )
        self.victim.make_up(5)
        self.box.make_up(MANY)
        self.port, self.peaceful = port, True
        self.answers: dict[str, Counter[str]] = {}
        self.endings = cycle(ENDINGS)
        self.absurd = cycle(ABSURD)
        self._next = 0.0

    async def play(self, seconds: float, ways: dict[str, Iterator[Asked]]) -> None:
        """Every way for as long as every other."""
        self.peaceful, lines = False, [Line(self.port, ADDRESS) for _ in range(LINES)]
        for name, requests in ways.items():
            until, self._next = time.monotonic() + seconds / len(ways), time.monotonic()
            said = self.answers.setdefault(name, Counter())
            await asyncio.gather(*(self._send(line, requests, said, until) for line in lines))
        for line in lines:
            line.close()

    async def _send(self, line: Line, requests: Iterator[Asked], said: Counter[str], until: float) -> None:
        while (moment := time.monotonic()) < until:
            due, self._next = self._next, max(self._next, moment - 0.1) + 1 / RATE
            await asyncio.sleep(due - moment)
            asked = next(requests)
            try:
                async with asyncio.timeout(until - moment + 1):
                    answer = await line.post(asked.body, *asked.headers, announced=asked.announced)
                said[f"{answer.status} {_code(answer.body)}"] += 1
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                line.close()
                said["no answer"] += 1

    # ---------------------------------------------------------------- how it is called

    async def endpoint(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            body = await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
            await self._end(writer, body, "well" if self.peaceful else next(self.endings))
        writer.close()

    async def _end(self, writer: asyncio.StreamWriter, body: bytes, ending: str) -> None:
        def starts(status: int, length: int, *headers: str) -> None:
            lines = (
                f"HTTP/1.1 {status} x",
                "Content-Type: application/xml",
                f"Content-Length: {length}",
                "Connection: close",
                *headers,
            )
            writer.write("".join(f"{line}\r\n" for line in (*lines, "")).encode())

        match ending:
            case "drips":
                starts(200, MIB)
                for _ in range(120):
                    writer.write(b"<")
                    await writer.drain()
                    await asyncio.sleep(1)
            case "later":
                starts(503, 0, f"Retry-After: {next(self.absurd)}")
            case "endless":
                starts(200, 10**12)
                for _ in range(4096):
                    writer.write(b"y" * MIB)
                    await writer.drain()
            case "heads":
                starts(200, 0, *(f"X-{number}: {'y' * 8000}" for number in range(1000)))
            case "elsewhere":
                starts(307, 0, f"Location: http://127.0.0.1:{self.port}/exchange")
            case "captured":
                self._says(starts, writer, 200, self.receipt(str(uuid4()), self.box.signer))
            case "forged":
                self._says(starts, writer, 200, self.receipt(str(uuid4()), stranger()))
            case _:
                status, answer, _ = self.box.receive(body)
                self._says(starts, writer, status, answer)
        await writer.drain()

    def _says(self, starts: Callable[[int, int], None], writer: asyncio.StreamWriter, status: int, answer: bytes) -> None:
        starts(status, len(answer))
        writer.write(answer)

    def receipt(self, about: str, signer: Signer) -> bytes:
        payload = payloads.write_receipt(Receipt(about, "0" * 64, now()))
        return self.box.protocol_message(Kind.RECEIPT, payload, signer=signer, refers_to=about)


def stranger(ends: datetime | None = None) -> Signer:
    """A key that nobody knows, and its certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign(
        builder(key.public_key(), Subject("x"), demo=True, begins=now(), ends=ends or now() + timedelta(days=90)), key
    )
    return KeySigner(key, certificate, "ecdsa-p256-sha256")


def _code(answer: bytes) -> str:
    found = _CODE.search(answer)
    return (found[1] or found[2]).decode() if found else ""


# ---------------------------------------------------------------- the ways: requests without end


def moments(enemy: Enemy) -> Iterator[Asked]:
    """Far from now, wherever one can be said."""
    box = enemy.box
    tin, known = next(iter(box.operators.items()))
    bad = replace(known, granted=date(1, 1, 1), expires=date(9999, 12, 31))
    while True:
        for moment in (FIRST, LAST):
            yield Asked(keys(box, announced(box, stranger(), since=moment)))
            yield Asked(box.message(Kind.NOTICE, (bad,), sequence=0))
            yield Asked(box.message(Kind.NOTICE, (replace(known, effective=moment),), sequence=0))
            yield Asked(box.message(Kind.LIST, (known,), picture=Picture(as_of=moment), sequence=0))
            ping = box.header(Kind.PING, created=moment)
            yield Asked(box.sign(ping, payloads.write_empty(Kind.PING)))
        yield Asked(keys(box, announced(box, stranger(LAST), since=soon() + timedelta(days=3_000))))
        yield Asked(box.message(Kind.QUERY, query=tin, created=LAST))


def soon() -> datetime:
    """Now, as an announcement can say it."""
    return now().replace(microsecond=0)


def keys(box: Box, *certificates: Announced) -> bytes:
    return box.protocol_message(Kind.KEYS, payloads.write_keys(certificates))


def dense(enemy: Enemy) -> Iterator[Asked]:
    """As much of an XML as there can be, or a little more, signed and not."""
    box, head = enemy.box, enemy.box.header(Kind.PING)
    ping = payloads.write_empty(Kind.PING)
    wide = "<a " + " ".join(f'a{number}="1"' for number in range(63)) + "/>"
    fillings = ("<a/>" * MIB, wide * (12 * MIB // len(wide)), "<a>" * 20_000 + "</a>" * 20_000, "y" * (18 * MIB), "&#x41;" * MIB)
    plain = box.sign(head, ping)
    bodies = [plain.replace(b"></x:Ping>", b">" + filling.encode() + b"</x:Ping>") for filling in fillings]
    bodies.append(b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>' + plain)
    bodies.append(plain + b" " * (20 * MIB))
    bodies.append(box.protocol_message(Kind.PING, ping.replace("></", f">{'<a/>' * 100_000}</")))
    yield from (Asked(body) for body in cycle(bodies))


def squatting(enemy: Enemy) -> Iterator[Asked]:
    """Another partner's next certificate, another's of now, and the gateway's own, as if they were its own; and what nothing proves."""
    box, theirs = enemy.box, enemy.victim
    assert theirs.signer.certificate is not None
    while True:
        fresh = stranger()
        captured = announced(theirs, fresh, since=soon())
        yield Asked(keys(box, captured))
        yield Asked(keys(box, announced(box, box.signer, fresh.certificate, soon())))
        yield Asked(keys(box, announced(box, box.signer, theirs.signer.certificate, soon())))
        yield Asked(keys(box, announced(box, box.signer, enemy.ours.certificate, soon())))
        yield Asked(keys(box, replace(captured, proof=None)))
        yield Asked(keys(box, replace(captured, proof=Proof("ecdsa-p256-sha256", b"\0" * 64))))
        yield Asked(keys(box, *(announced(box, stranger(), since=soon()) for _ in range(12))))
        fields = replace(captured, role="tls")
        yield Asked(keys(box, replace(fields, proof=Proof(fresh.algorithm, fresh.sign(possession("ZZ", "CN", fields))))))


def results(enemy: Enemy) -> Iterator[Asked]:
    """Of messages and codes that were never sent, one code twice, and receipts of nothing."""
    box = enemy.box
    for number in count():
        ours = [one.header.id for one in box.received[-20:]] or [str(uuid4())]
        about = ours[number % len(ours)]
        names = [RecordResult(f"AEOCN{number:010d}", "accepted")] * (1 + number % 2)
        yield Asked(box.protocol_message(Kind.RESULT, payloads.write_result(names), refers_to=about))
        yield Asked(box.protocol_message(Kind.RESULT, payloads.write_result(names), refers_to=str(uuid4())))
        yield Asked(enemy.receipt(about, box.signer))


def forged(enemy: Enemy) -> Iterator[Asked]:
    """What another signed, altered; what nobody signed; what the enemy signed in another's name, or a stranger in its own."""
    box, theirs, thief = enemy.box, enemy.victim, stranger()
    tin = next(iter(theirs.operators))
    while True:
        captured = theirs.message(Kind.NOTICE, (theirs.with_standing(theirs.operators[tin], Standing.REVOKED),), sequence=0)
        yield Asked(captured.replace(theirs.iso.encode() + b"</x:Sender>", box.iso.encode() + b"</x:Sender>"))
        yield Asked(captured.replace(identifier(captured).encode(), str(uuid4()).encode()))
        yield Asked(captured.partition(b"<ds:Signature")[0] + b"</x:Exchange>")
        for signer in (box.signer, thief):
            yield Asked(theirs.message(Kind.NOTICE, (theirs.operators[tin],), sequence=0, signer=signer))
        yield Asked(box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING), signer=thief))
        yield Asked(box.protocol_message(Kind.PING, payloads.write_empty(Kind.PULL)))
        yield Asked(box.message(Kind.NOTICE, (theirs.operators[tin],), sequence=0))


def bodies(enemy: Enemy) -> Iterator[Asked]:
    """Refused before they are read, or never sent whole."""
    ping = enemy.box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    while True:
        yield Asked(ping, ("Content-Encoding: gzip",))
        yield Asked(ping, ("Client-Cert: :AAAA:",))
        yield Asked(ping, ("Content-Type: text/plain",))
        yield Asked(b"y" * MIB, announced=25 * MIB)
        yield Asked(ping[:100], announced=len(ping))
        yield Asked(b"<x>" + b"y" * MIB, announced=15 * MIB)
        yield Asked(b"")


def queries(enemy: Enemy) -> Iterator[Asked]:
    """One after the other, all signed well, of codes that are and that are not."""
    for number in count():
        yield Asked(enemy.box.message(Kind.QUERY, query=f"AEOCN{9900000000 + number % 50:010d}"))


def lists(enemy: Enemy) -> Iterator[Asked]:
    """Lists that would change everything, large ones and empty ones, and notices that do the same one by one."""
    box = enemy.box
    every = tuple(box.operators.values())
    for number in count():
        if number % 10 == 0:
            picked = every if number % 20 else every[:1]
            yield Asked(box.message(Kind.LIST, picked, picture=Picture(as_of=now()), sequence=0))
        one = every[number % MANY]
        yield Asked(box.message(Kind.NOTICE, (box.with_standing(one, Standing.SUSPENDED),), sequence=0))


def numbers(enemy: Enemy) -> Iterator[Asked]:
    """Leaves out millions, goes back, and has everything sent again."""
    box = enemy.box
    one = next(iter(box.operators.values()))
    for number in count(1):
        yield Asked(box.message(Kind.NOTICE, (box.with_standing(one, Standing.SUSPENDED),), sequence=number * 10**6 % 2**31))
        for priority in Priority:
            yield Asked(box.protocol_message(Kind.RESEND, payloads.write_resend(Resend(priority, 1, 2**31 - 1))))


WAYS: tuple[Callable[[Enemy], Iterator[Asked]], ...] = (moments, squatting, results, forged, bodies, queries, dense, numbers, lists)


async def main(home: str, iso: str, victim: str, port: str, endpoint: str, seconds: str) -> None:
    """Prints two lines."""
    os.nice(19)
    enemy = Enemy(Path(home), iso, victim, int(port))
    ways = {way.__name__: way(enemy) for way in WAYS} if float(seconds) else {}
    await asyncio.start_server(enemy.endpoint, "127.0.0.1", int(endpoint), limit=64 * MIB)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    if ways:
        await enemy.play(float(seconds), ways)
        enemy.peaceful = True
        print(json.dumps(enemy.answers), flush=True)
    await asyncio.to_thread(sys.stdin.readline)  # and takes what is still to be told


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
