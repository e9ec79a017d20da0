"""The scenario ``hostile-partner`` of ``make chaos``: all partners there are, one of them hostile in every way it can be, and the other 30.

They exchange at a steady rate both ways, once while it is quiet and once while it is not. In the second run they must lose nothing, be
answered for, and wait no longer than ``SLOWER`` times as long for receipts and for what they are told.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from gateway.cli.processes import free_port
from gateway.core.model import Kind, Standing
from gateway.sandbox.box import Box
from tests.rig.counterpart import Counterpart
from tests.rig.enterprises import row
from tests.rig.installation import Installation
from tests.rig.ledger import Ledger
from tests.rig.lines import Line, identifier, quantile
from tests.rig.machine import REPO
from tests.rig.shipped import ISOS
from tests.rig.waiting import HTTP, until

#: Who is hostile, and whose signatures it has seen.
ENEMY, VICTIM = "SG", "HK"
OTHERS = tuple(iso for iso in ISOS if iso != ENEMY)
#: Seconds between two notices of one partner, two answers about somebody, and two pieces of news from home. Each partner has so many
#: operators: its notices are about the first half of them, the questions about the last.
NOTICES, ANSWERS, NEWS, OPERATORS = 1.0, 0.1, 2.0, 20
#: Than in a quiet run nobody waits longer than so many times as long for these; what answers take is shown.
SLOWER = 1.5
BOUNDED = ("receipts", "results", "news")
PATIENCE = 60.0


class Waits(NamedTuple):
    """Milliseconds: of senders for a receipt, from a notice to its result at the partner's endpoint, from news to there, for an answer."""

    receipts: list[float]
    results: list[float]
    news: list[float]
    answers: list[float]


class Crowd:
    """A gateway with all partners; ``OTHERS`` are played here. Use it in a ``with``."""

    def __init__(self, home: Path, database: str = "") -> None:
        self.ends = {iso: Counterpart() for iso in OTHERS}
        self.port = free_port()
        endpoints = {iso: end.url for iso, end in self.ends.items()} | {ENEMY: f"http://127.0.0.1:{self.port}/exchange"}
        self.installation = Installation(home, ISOS, database=database, endpoints=endpoints)
        self.boxes = {iso: self.installation.boxes[iso] for iso in OTHERS}
        for iso, end in self.ends.items():
            end.box = self.boxes[iso]
            end.box.make_up(OPERATORS)
        self.ledger = Ledger()
        self.sent: dict[str, tuple[str, float]] = {}
        self.fed: dict[int, float] = {}
        self.faults: list[str] = []
        self.waits = Waits([], [], [], [])
        self.moments: list[float] = []
        self.served = self.installation.serve()
        self.served.ready()
        for end in self.ends.values():
            end.gateway = self.served.url
        self.headers = self.installation.authorised

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self.ends.values():
            end.close()
        self.installation.__exit__()

    def start(self) -> None:
        """Everybody is listed, and everybody has been told the complete list."""
        for iso, box in self.boxes.items():
            body = box.full_list()
            answer = self.served.post(body)
            assert answer.status_code == 200, answer.text
            self._hold(iso, body, answer.content)
        self.feed(0)
        self.rest()
        self.verdicts = {iso: self.ask(HTTP, iso) for iso in OTHERS}
        self.fed.clear()

    def feed(self, number: int) -> None:
        self.fed[number] = time.perf_counter()
        rows = [{name: value for name, value in row(number).items() if value is not None}]
        url = f"{self.served.url}/v1/domestic/enterprises"
        HTTP.put(url, json=rows, headers=self.headers).raise_for_status()

    def ask(self, client: httpx.Client, iso: str) -> str:
        """What is answered about an operator of which nothing changes."""
        asked = {"code": list(self.boxes[iso].operators)[-1], "direction": "import"}
        answer = client.get(f"{self.served.url}/v1/eligibility", params=asked, headers=self.headers)
        return str(answer.json()["verdict"]) if answer.status_code == 200 else str(answer.status_code)

    def run(self, seconds: float) -> None:
        asyncio.run(self._run(time.perf_counter() + seconds))

    async def _run(self, ends: float) -> None:
        places = enumerate(self.boxes.items())
        senders = [self._sends(iso, box, f"127.0.1.{place + 1}", ends, place / len(OTHERS)) for place, (iso, box) in places]
        await asyncio.gather(*senders, asyncio.to_thread(self._asks, ends), asyncio.to_thread(self._feeds, ends))

    async def _sends(self, iso: str, box: Box, address: str, ends: float, offset: float) -> None:
        line, bodies = Line(self.served.port, address), notices(box)
        due = time.perf_counter() + offset * NOTICES
        while due < ends:
            await asyncio.sleep(due - time.perf_counter())
            body = next(bodies)
            began = time.perf_counter()
            try:
                async with asyncio.timeout(PATIENCE):
                    answer = await line.post(body)
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as fault:
                self.faults.append(f"LOST: {iso} was given no answer: {fault!r}")
            else:
                self.moments.append(began)
                self.waits.receipts.append((time.perf_counter() - began) * 1e3)
                self.sent[identifier(body)] = (iso, began)
                if answer.status == 200:
                    self._hold(iso, body, answer.body)
                else:
                    self.faults.append(f"REFUSED: {iso} was answered {answer.status}: {answer.body[:300]!r}")
            due = max(due + NOTICES, time.perf_counter())
        line.close()

    def _hold(self, iso: str, body: bytes, receipt: bytes) -> None:
        said = self.boxes[iso].check(receipt)
        assert (said.header.kind, said.header.refers_to) == (Kind.RECEIPT, identifier(body))
        self.ledger.given(iso, identifier(body), body, receipt)

    def _asks(self, ends: float) -> None:
        with httpx.Client() as client:
            for iso in itertools.cycle(OTHERS):
                if (began := time.perf_counter()) > ends:
                    return
                if (verdict := self.ask(client, iso)) != self.verdicts[iso]:
                    self.faults.append(f"WRONG: about {iso} it answers {verdict}, not {self.verdicts[iso]}")
                self.waits.answers.append((time.perf_counter() - began) * 1e3)
                time.sleep(ANSWERS)

    def _feeds(self, ends: float) -> None:
        while time.perf_counter() < ends - NEWS:
            self.feed(max(self.fed, default=0) + 1)
            time.sleep(NEWS)

    # ---------------------------------------------------------------- the account

    def rest(self) -> None:
        """Waits until there is nothing left to do, but what is to be sent to the hostile one."""
        looks: list[dict[str, int]] = []

        def at_rest() -> bool:
            quiet = all(end.quiet() for end in self.ends.values())
            looks.append(self.installation.left(ENEMY) if quiet else {"to be said": 1})
            return looks[-2:] == [{}, {}]

        until(at_rest, lambda: f"the gateway did not come to rest: {looks[-1]}", 2 * PATIENCE, pause=0.5)

    def account(self) -> list[str]:
        """Everything that does not hold for the other 30; fills in what they waited for."""
        self.rest()
        ready = self.served.is_ready()
        self.served.stop()  # or what is on its way to the hostile one would change while it is looked at
        found = [*self.faults, *self.ledger.faults(self.installation, ENEMY)]
        arrived = {about: moment for end in self.ends.values() for about, moment in end.arrivals.items()}
        for about, (iso, began) in self.sent.items():
            if about in arrived:
                self.waits.results.append((arrived[about] - began) * 1e3)
            else:
                found.append(f"LOST: {iso} has no result of {about}")
        for end in self.ends.values():
            for one in end.box.received:
                number = int(one.statements[0].tin[-8:]) if one.statements else 0
                if number in self.fed:
                    self.waits.news.append((end.arrivals[one.header.id] - self.fed[number]) * 1e3)
        if not ready:
            found.append("it is not ready")
        log = (self.installation.settings.home / "gateway.log").read_text()
        if "Traceback" in log:
            found.append(f"a fault of ours: {log[log.index('Traceback') :][:2000]}")
        return found


def notices(box: Box) -> Iterator[bytes]:
    """Without end, about the first half of the operators, each of which changes something."""
    tins = list(box.operators)[: OPERATORS // 2]
    for standing in itertools.cycle((Standing.SUSPENDED, Standing.VALID)):
        for tin in tins:
            yield box.message(Kind.NOTICE, (box.change(tin, standing),))


class Hostile:
    """The hostile one, in a process of its own."""

    def __init__(self, crowd: Crowd, seconds: float) -> None:
        home, served = crowd.installation.settings.home, crowd.served
        command = [sys.executable, "-m", "tests.rig.hostile", str(home), ENEMY, VICTIM, str(served.port), str(crowd.port)]
        log = (home / "hostile.log").open("wb")
        self.process = subprocess.Popen(
            [*command, str(seconds)], cwd=REPO, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        )
        crowd.installation.adopt(self.process)  # type: ignore[arg-type] # it speaks text
        assert self._line() == "ready", (home / "hostile.log").read_text()[-3000:]

    def begin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def answers(self) -> dict[str, dict[str, int]]:
        """What it was answered how often, by way, once it has done all it could."""
        found: dict[str, dict[str, int]] = json.loads(self._line() or "{}")
        return found

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def play(home: Path, database: str, seconds: float) -> str:
    """Two installations, so that nothing of the one is left in the other; the quiet one is measured before and after."""
    with Crowd(home / "quiet") as quiet:
        Hostile(quiet, 0)
        quiet.start()
        quiet.run(seconds / 2)
        with Crowd(home / "loud", database) as loud:
            hostile = Hostile(loud, seconds)
            loud.start()
            hostile.begin()
            loud.run(seconds)
            answers = hostile.answers()
            faults = loud.account()
        quiet.run(seconds / 2)
        faults += quiet.account()
    for number, (way, said) in enumerate(answers.items()):
        begins, ends = (loud.moments[0] + seconds * turn / len(answers) for turn in (number, number + 1))
        during = [wait for moment, wait in zip(loud.moments, loud.waits.receipts, strict=True) if begins <= moment < ends]
        print(
            f"  {way}, receipts of the others p50 {quantile(during, 0.5):.0f}, p99 {quantile(during, 0.99):.0f} ms: "
            + ", ".join(f"{times} x {what}" for what, times in sorted(said.items()))
        )
        faults += [f"a fault of ours: {way} was answered {what}" for what in said if what.startswith("500")]
    ratios = {}
    said_of = []
    for name, loud_ones, quiet_ones in zip(Waits._fields, loud.waits, quiet.waits, strict=True):
        figures: list[Any] = []
        for share in (0.5, 0.99):
            before, now = quantile(quiet_ones, share), quantile(loud_ones, share)
            ratios[name, share] = now / before if before else float("inf")
            figures.append(f"{now:.0f} to {before:.0f} ms ({ratios[name, share]:.2f})")
        said_of.append(f"{name} p50 {figures[0]}, p99 {figures[1]}")
    sentence = f"{len(loud.sent)} notices of {len(OTHERS)}, {sum(sum(one.values()) for one in answers.values())} hostile requests; "
    sentence += "; ".join(said_of)
    faults += [
        f"{name} waited {ratio:.2f} times as long at {share}"
        for (name, share), ratio in ratios.items()
        if name in BOUNDED and ratio > SLOWER
    ]
    assert not faults, "\n".join([*faults[:20], sentence])
    return sentence
