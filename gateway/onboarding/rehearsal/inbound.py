"""The steps in which the partner sends. The docstring of each is what the report says should happen, and its name the step's."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from gateway.core.errors import Code
from gateway.core.model import Kind, Picture, Priority, Standing, Statement
from gateway.onboarding.rehearsal import mutations
from gateway.onboarding.rehearsal.results import Observation, among, same
from gateway.onboarding.rehearsal.session import Session, exchanged, message_id, reply_in_words
from gateway.wire import payloads

#: Losses, the one a partner would use first.
LOSSES = (Standing.SUSPENDED, Standing.REVOKED, Standing.WITHDRAWN, Standing.ANNULLED)


def loss(session: Session) -> Standing:
    """The first loss that the partner's notices have a word for. Raises ``LookupError`` where they have none."""
    words = {word for face in session.box.dialect.faces(Kind.NOTICE) for word in face.sample.standings}
    for standing in LOSSES:
        if standing in words:
            return standing
    raise LookupError("its notices have no word for any loss")


def first_contact(session: Session) -> Iterator[Observation]:
    """The partner asks whether anybody is there, signed, and gets a signed receipt for exactly these bytes."""
    body = session.box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING))
    yield session.tell(body)
    yield same("the receipt is for", message_id(body), session.box.receipts[-1].message)


def complete_list(session: Session) -> Iterator[Observation]:
    """The partner sends its first complete list; every record is accepted and counts at once, as far as the arrangement goes."""
    body = session.box.full_list()
    yield session.tell(body)
    outcomes = session.results(body)
    yield same("records accepted", len(session.box.operators), sum(outcome == "accepted" for outcome in outcomes.values()))
    code = session.operator()
    yield from session.shows(code, Standing.VALID)
    if session.entitles() == "not granted":
        yield same("nothing is granted, and clearance is told why", "a reason", "a reason" if session.reason(code) else "none")


def update(session: Session) -> Iterator[Observation]:
    """An operator is newly authorised and told by an update; it counts at once."""
    (new,) = session.fresh(1, seed=2)
    yield from session.shows(new.tin, Standing.REVOKED) if session.standing(new.tin) != "unknown" else ()
    session.box.operators[new.tin] = new
    yield session.tell(session.box.status_message(new.tin, Standing.VALID, Kind.UPDATE))
    yield from session.shows(new.tin, Standing.VALID)


def urgent_suspension(session: Session) -> Iterator[Observation]:
    """An urgent notice takes an operator's status away; the very next answer of clearance says so."""
    code, lost = session.operator(), loss(session)
    yield from session.shows(code, Standing.VALID)
    yield session.tell(session.box.status_message(code, lost))
    yield from session.shows(code, lost)


def reinstatement(session: Session) -> Iterator[Observation]:
    """A notice gives the status back, and the next answer grants again."""
    code, lost = session.operator(), loss(session)
    yield session.tell(session.box.status_message(code, lost), "answer to the loss")
    yield same("clearance in between", "not granted", session.granted(code))
    yield session.tell(session.box.status_message(code, Standing.REINSTATED), "answer to the reinstatement")
    yield among(f"{code} stands", ("valid", "reinstated"), session.standing(code))
    yield same("clearance", session.entitles(), session.granted(code))


def duplicate(session: Session) -> Iterator[Observation]:
    """The same bytes come twice; the second time gets the very same receipt and changes nothing."""
    body = session.box.status_message(session.operator(), loss(session))
    first = session.send(body)
    yield same("first answer", "receipt", reply_in_words(first))
    second = session.send(body)
    yield same("second answer", "receipt", reply_in_words(second))
    yield same("the receipts are the same bytes", "yes", "yes" if first.body == second.body else "no")


def conflict(session: Session) -> Iterator[Observation]:
    """Other content comes under an id that was used; it is refused and changes nothing."""
    first, other = session.operator(), session.operator()
    body = session.box.status_message(first, loss(session))
    yield session.tell(body)
    again = session.box.message(Kind.NOTICE, (session.box.change(other, loss(session)),), id=message_id(body), sequence=0)
    session.box.change(other, Standing.VALID)
    yield same("answer to the other content", Code.ID_CONFLICT, reply_in_words(session.send(again)))
    yield from session.shows(other, Standing.VALID)


def out_of_order(session: Session) -> Iterator[Observation]:
    """A statement made ten minutes before a loss arrives after it; it is recorded, and the loss stands."""
    code, lost = session.operator(), loss(session)
    earlier = session.box.clock() - timedelta(minutes=10)
    yield session.tell(session.box.status_message(code, lost), "answer to the loss")
    late = session.box.with_standing(session.box.operators[code], Standing.VALID)
    body = session.box.message(Kind.UPDATE, (late,), created=earlier)
    yield session.tell(body, "answer to the older statement")
    yield same("its result", "overruled", session.results(body).get(code, "none"))
    yield from session.shows(code, lost)


def gap(session: Session) -> Iterator[Observation]:
    """A number of the sequence is left out; the gateway asks for exactly that message again."""
    number = session.box.skip(Priority.NORMAL)
    body = session.box.status_message(session.operator(), Standing.VALID, Kind.UPDATE)
    yield session.tell(body)
    wanted = session.until("a request to send again", lambda: session.received(Kind.RESEND, message_id(body))).resend
    yield same(
        "asked for",
        f"{Priority.NORMAL} {number} to {number}",
        f"{wanted.priority} {wanted.first} to {wanted.last}" if wanted else "",
    )


def wrong_signature(session: Session) -> Iterator[Observation]:
    """A message changed on its way, and one signed by a stranger's key, are refused and change nothing."""
    code = session.operator()
    statement = (session.box.change(code, loss(session)),)
    session.box.change(code, Standing.VALID)
    body = session.box.message(Kind.NOTICE, statement, sequence=0)
    end = code[-4:].encode()  # a code may be written without its beginning
    changed = body.replace(end, end[:-1] + (b"0" if end[-1:] != b"0" else b"1"))
    yield same("changed on its way", Code.SIGNATURE_DIGEST, reply_in_words(session.send(changed)))
    forged = session.box.message(Kind.NOTICE, statement, sequence=0, signer=session.keys.stranger)
    yield same("signed by a stranger", Code.SIGNATURE_INVALID, reply_in_words(session.send(forged)))
    yield from session.shows(code, Standing.VALID)


def expired_certificate(session: Session) -> Iterator[Observation]:
    """A message signed with a key whose certificate ended is refused, and the refusal says that it expired."""
    code = session.operator()
    statement = (session.box.change(code, loss(session)),)
    session.box.change(code, Standing.VALID)
    body = session.box.message(Kind.NOTICE, statement, sequence=0, signer=session.keys.expired)
    yield same("answer", Code.CERTIFICATE_EXPIRED, reply_in_words(session.send(body)))
    yield from session.shows(code, Standing.VALID)


def rolled_over_certificate(session: Session) -> Iterator[Observation]:
    """The partner announces its next certificate, signed with the current one, and signs with the new key; the old one holds beside it."""
    yield session.tell(session.box.announcement(session.keys.next), "answer to the announcement")

    def accepted() -> Observation | None:
        ping = session.box.protocol_message(Kind.PING, payloads.write_empty(Kind.PING), signer=session.keys.next)
        observed = session.tell(ping, "signed with the new key")
        return observed if observed.ok else None

    yield session.until("trust in the announced certificate", accepted)
    code, lost = session.operator(), loss(session)
    statement = (session.box.change(code, lost),)
    yield session.tell(session.box.message(Kind.NOTICE, statement, signer=session.keys.next), "a notice with the new key")
    yield from session.shows(code, lost)
    yield session.tell(session.box.status_message(code, Standing.REINSTATED), "a notice with the old key")


def schema_fault(session: Session) -> Iterator[Observation]:
    """A document with an element that was not agreed is refused whole; the refusal names the place."""
    code = session.operator()
    statement = (session.box.change(code, loss(session)),)
    session.box.change(code, Standing.VALID)
    body = session.box.message(Kind.NOTICE, statement, sequence=0, edit=mutations.unexpected)
    # An XSD may let anything stand at its end; the sample does not.
    yield among("answer", (str(Code.SCHEMA_INVALID), str(Code.FIELD_UNEXPECTED)), reply_in_words(session.send(body)))
    yield from session.shows(code, Standing.VALID)


def unknown_code(session: Session) -> Iterator[Observation]:
    """A code outside the agreed list is refused; it is never read as something else, and never as valid."""
    edit = mutations.unknown_code(session.box.dialect, Kind.NOTICE)
    if edit is None:
        yield same("the dialect has code lists", "none, so there is nothing to try", "none, so there is nothing to try")
        return
    code = session.operator()
    statement = (session.box.change(code, loss(session)),)
    session.box.change(code, Standing.VALID)
    body = session.box.message(Kind.NOTICE, statement, sequence=0, edit=edit)
    yield among("answer", (str(Code.CODE_UNKNOWN), str(Code.SCHEMA_INVALID)), reply_in_words(session.send(body)))
    yield from session.shows(code, Standing.VALID)


def foreign_operator(session: Session) -> Iterator[Observation]:
    """The partner speaks of an operator that is not its own; it is refused."""
    ours = f"{session.box.gateway}1234567890"
    body = session.box.message(
        Kind.NOTICE, (msgspec.structs.replace(next(iter(session.box.operators.values())), tin=ours),), sequence=0
    )
    # An XSD that spells out the partner's codes refuses it earlier.
    yield among("answer", (str(Code.FOREIGN_OPERATOR), str(Code.SCHEMA_INVALID)), reply_in_words(session.send(body)))


def half_connection(session: Session) -> Iterator[Observation]:
    """The connection breaks in the middle of a message, then before the receipt; each time the same bytes are sent again and count once."""
    code, lost = session.operator(), loss(session)
    body = session.box.status_message(code, lost)
    _break_off(session, body, len(body) // 2)
    yield from session.shows(code, Standing.VALID)
    _break_off(session, body, len(body))
    first = session.send(body)
    yield same("answer to the same bytes", "receipt", reply_in_words(first))
    yield same("and once more: the same receipt", "yes", "yes" if session.send(body).body == first.body else "no")
    yield from session.shows(code, lost)


def _break_off(session: Session, body: bytes, sent: int) -> None:
    """Sends the first ``sent`` bytes and hangs up without reading an answer."""
    address = urlsplit(session.host.url)
    head = (
        f"POST /exchange HTTP/1.1\r\nHost: {address.netloc}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(head.encode() + body[:sent])
    session.messages.append(exchanged(session.box.iso, body, None))


def list_in_parts(session: Session) -> Iterator[Observation]:
    """A list comes in two parts; the first changes nothing, and with the second all of it applies."""
    new = session.fresh(2, seed=3)
    session.box.operators |= {one.tin: one for one in new}
    everybody = list(session.box.operators.values())
    as_of = session.box.clock()
    parts = (new[:1] + [one for one in everybody if one not in new], new[1:])

    def part(number: int, statements: list[Statement]) -> bytes:
        return session.box.message(Kind.LIST, statements, picture=Picture(as_of=as_of, part=number, parts=len(parts)))

    first = part(1, parts[0])
    yield session.tell(first, "answer to part 1")
    yield same("result of part 1", "waiting", session.results(first).get(new[0].tin, "none"))
    yield same("after part 1 the new operator stands", "unknown", session.standing(new[0].tin))
    yield session.tell(part(2, parts[1]), "answer to part 2")
    for one in new:
        yield from session.shows(one.tin, Standing.VALID)


def mass_change_held(session: Session) -> Iterator[Observation]:
    """A list that would grant more than the agreed number in a day waits for a person; the losses it states hold at once."""
    threshold = session.arrangement.threshold.on(session.box.today).value or 0
    many = session.fresh(threshold + 1, seed=4)
    code, lost = session.operator(), loss(session)
    everybody = [*session.box.operators.values(), *many]
    statements = [session.box.with_standing(one, lost) if one.tin == code else one for one in everybody]
    body = session.box.message(Kind.LIST, statements, picture=Picture(as_of=session.box.clock()))
    yield session.tell(body)
    outcomes = session.results(body)
    yield same("new operators held", threshold + 1, sum(outcomes.get(one.tin) == "held" for one in many))
    yield same("clearance for one of them", "not granted", session.granted(many[0].tin))
    # A list that has no word for a loss leaves the operator out, and whom a held list leaves out stays as he was.
    yield from session.shows(code, lost if session.box.capabilities.can_state(lost, Kind.LIST) else Standing.VALID)


STEPS = (
    first_contact,
    complete_list,
    update,
    urgent_suspension,
    reinstatement,
    duplicate,
    conflict,
    out_of_order,
    gap,
    wrong_signature,
    expired_certificate,
    rolled_over_certificate,
    schema_fault,
    unknown_code,
    foreign_operator,
    half_connection,
    list_in_parts,
)
#: Last of all, since it uses up the day's threshold.
LAST = (mass_change_held,)
