"""What a partner's engineers need, in one ZIP: schemas, signed sample messages, our certificates, the profile and the refusals in words."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from gateway.core.errors import Code, Refusal
from gateway.core.model import Kind, Picture, Priority, Standing, Statement
from gateway.core.protocol import Receipt, RecordResult, Resend
from gateway.domestic.projection import code_prefix
from gateway.onboarding.terms import TERMS, steps
from gateway.partners import Bundle
from gateway.sandbox.box import Box
from gateway.settings import ROOT
from gateway.wire import payloads
from gateway.wire.algorithms import Signer

#: Every file of a kit has this date, so that the same kit has the same bytes but for the signatures.
_DATE = (2026, 1, 1, 0, 0, 0)


def kit(
    bundle: Bundle,
    *,
    administration: str,
    signer: Signer,
    certificates: dict[str, str],
    endpoint: str,
    clock: Callable[[], datetime],
) -> bytes:
    """The ZIP. ``certificates`` are ours, PEM by name; ``endpoint`` is where we listen, empty where that is not settled.

    The sample messages are test messages about made-up operators, signed with ``signer``. Raises ``Refusal`` for an endpoint that no
    partner could call.
    """
    if endpoint:
        _callable(endpoint)
    envelope = f"schemas/exchange/{bundle.arrangement.binding.envelope}/exchange.xsd"
    files: dict[str, str | bytes] = {
        "profile.md": _profile(bundle, administration, endpoint),
        "refusals.md": _refusals(),
        "verify_message.py": (Path(__file__).parent / "verify_message.py").read_bytes(),
        envelope: (ROOT / envelope).read_bytes(),
    }
    files |= {f"certificates/{name}.pem": pem for name, pem in certificates.items()}
    for spoken, texts in json.loads(bundle.content)["dialects"].items():
        files |= {f"schemas/{spoken}/{name}": text for name, text in texts.items()}
    we = Box(bundle, signer, bundle.iso, (), clock, acting_as=administration)
    files |= {f"messages/{name}.xml": body for name, body in _messages(we)}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(f"aeo-kit-{bundle.iso.lower()}/{name}", _DATE), files[name], zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _callable(endpoint: str) -> None:
    """Raises ``Refusal`` unless ``endpoint`` is an https address; plain http is for trying on one machine."""
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port  # both are judged when they are asked for
    except ValueError:
        host = None
    plain = host and not parts.username and not parts.query and not parts.fragment and endpoint.isascii() and endpoint.isprintable()
    if not plain or " " in endpoint or not (parts.scheme == "https" or (parts.scheme == "http" and _loopback(host or ""))):
        raise Refusal(
            Code.DATA_INVALID,
            f"{endpoint!r} is no address that a partner can call.",
            field="endpoint",
            value=endpoint,
            remedy="Give it as https://HOST/exchange; http is for this machine alone, as http://127.0.0.1:8100/exchange.",
        )


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _messages(we: Box) -> Iterator[tuple[str, bytes]]:
    """One signed message of every kind, as we would send it."""
    now, kinds = we.clock(), we.dialect.kinds
    code = f"{code_prefix(we.bundle.arrangement, we.today) or we.iso}1234567890"
    if not we.capabilities.fits("tin", code):  # its XML has no room for a code of ours
        code = we.invent(1, seed=1)[0].tin
    operator = we.capabilities.fitted(Statement(tin=code, standing=Standing.VALID, name="Made-up Trading Co., Ltd."), 1)
    we.operators[code] = operator
    picture = Picture(as_of=now)
    if Kind.LIST in kinds:
        yield "list", we.message(Kind.LIST, (operator,), picture=picture)
    if Kind.UPDATE in kinds:
        yield "update", we.message(Kind.UPDATE, (operator,))
    if Kind.NOTICE in kinds:
        yield "notice.suspended", we.status_message(code, Standing.SUSPENDED)
        yield "notice.reinstated", we.status_message(code, Standing.REINSTATED)
    if Kind.QUERY in kinds:
        yield "query", we.message(Kind.QUERY, query=we.invent(1, seed=1)[0].tin)
    if Kind.RESPONSE in kinds:
        yield "response.found", we.message(Kind.RESPONSE, (operator,), query=code, picture=picture, refers_to="EXAMPLE-QUERY-1")
        yield "response.not-found", we.message(Kind.RESPONSE, query=code, picture=picture, refers_to="EXAMPLE-QUERY-1")
    digest = sha256(b"the canonical form of what was received").hexdigest()
    yield (
        "receipt",
        we.protocol_message(
            Kind.RECEIPT, payloads.write_receipt(Receipt("EXAMPLE-MESSAGE-1", digest, now)), refers_to="EXAMPLE-MESSAGE-1"
        ),
    )
    refused = Refusal(Code.CODE_UNKNOWN, "The code X9 is in no list.", field="Status", value="X9", line=12)
    yield "refusal", we.protocol_message(Kind.REFUSAL, payloads.write_refusal(refused, digest, now), refers_to="EXAMPLE-MESSAGE-1")
    outcome = payloads.write_result([RecordResult(code, "accepted")])
    yield "result", we.protocol_message(Kind.RESULT, outcome, refers_to="EXAMPLE-MESSAGE-1")
    yield (
        "resend",
        we.protocol_message(Kind.RESEND, payloads.write_resend(Resend(Priority.NORMAL, 3, 4)), refers_to="EXAMPLE-MESSAGE-1"),
    )
    for kind in (Kind.PING, Kind.PULL):
        yield kind.value, we.protocol_message(kind, payloads.write_empty(kind))
    yield "keys", we.announcement(we.signer, since=now + timedelta(days=30))


def _profile(bundle: Bundle, administration: str, endpoint: str) -> str:
    one, binding = bundle.arrangement, bundle.arrangement.binding
    lines = [
        f"# {one.economy.en} ({one.iso}) and {administration}",
        "",
        f"{one.administration}; {one.programme}; signed {one.signed}. Partner data `{bundle.digest}`.",
        "",
        "## How messages travel",
        "",
        f"- Our endpoint: {endpoint or 'not settled yet; your contact will say'}. Send `POST` with `Content-Type: application/xml`.",
        f"- Your endpoint, as we have it: {binding.endpoint or 'not known yet'}.",
        f"- Signatures: {', '.join(binding.algorithms)}; RSA keys of at least {binding.min_rsa_bits} bits.",
        f"- A message is accepted for {binding.accept_for.total_seconds() / 3600:g} hours after it was created; we go on trying for "
        f"{binding.retry_for.total_seconds() / 3600:g} hours.",
        "- Each message is answered by a signed receipt (it arrived and is kept) or a signed refusal (refusals.md). What became of each",
        "  record follows in a result, a message of its own.",
        "- The same id with the same content gets the same receipt again; the same id with other content is refused.",
        f"- The envelope is version {binding.envelope}: schemas/exchange/{binding.envelope}/exchange.xsd.",
        *(
            (
                "- Before you sign with another key, announce its certificate by a message of kind `keys`, signed with the one before. The new",
                "  key signs the announcement too: the schema says which lines, at `Keys`. We do the same, and you check it.",
            )
            if binding.envelope > 1
            else (
                "- Before you sign with another key, announce its certificate by a message of kind `keys`, signed with the one before.",
            )
        ),
        f"- Days are those of {one.zone.key}; moments are UTC.",
        "",
        "## The terms, by date",
        "",
        "| term | from | value | how we know |",
        "| --- | --- | --- | --- |",
    ]
    for name, label in TERMS.items():
        for step in steps(one, name):
            value = "unknown" if step.value is None else step.value
            lines.append(f"| {label} | {step.since} | {_cell(value)} | {step.kind}: {_cell(step.why or '')} |")
    lines += [
        "",
        "## What is in this kit",
        "",
        "- `schemas/`: the envelope's XSD, and your documents' XSD with an annotated sample for each kind.",
        "- `messages/`: one signed message of every kind, about made-up operators, for the test environment.",
        "- `certificates/`: what we sign with.",
        "- `verify_message.py`: `python verify_message.py certificates/<name>.pem messages/*.xml`.",
        "",
    ]
    return "\n".join(lines)


def _refusals() -> str:
    lines = [
        "# Refusals and what they mean",
        "",
        "The first stage that fails speaks. `again`: the very same bytes may succeed later.",
        "",
        "| code | stage | HTTP | again | meaning | what to do |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for code in Code:
        row = code.row
        again = "yes" if row.retryable else "no"
        lines.append(f"| `{code}` | {row.stage.value} | {row.status} | {again} | {_cell(row.title)} | {_cell(row.remedy)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
