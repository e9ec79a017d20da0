"""The tables. Moments are whole microseconds since 1970 UTC, so both databases order and compare them alike."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator

from gateway.core.moments import FIRST, LAST

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """An aware moment as the tables keep it."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


_FIRST, _LAST = microseconds(FIRST), microseconds(LAST)


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime stored as microseconds; read as within ``core.moments``' bounds. What a release before them stored lies
    anywhere, even where no calendar has a day, and must not keep anybody from being answered."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> int | None:
        return None if value is None else microseconds(value)

    def process_result_value(self, value: Any, dialect: Any) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=min(max(value, _FIRST), _LAST))


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives only INTEGER PRIMARY KEY a row id; PostgreSQL wants 64 bits.
_Id = BigInteger().with_variant(Integer, "sqlite")

#: Partner data by digest; old bundles stay, so an answer can be given again as it was known then.
bundle = Table(
    "bundle",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("iso", String(2), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("stored", Moment, nullable=False),
    Column("format", Integer, nullable=False, server_default="1"),
)

#: One row per partner: the row that receive locks first. ``state`` is active, suspended or retired.
partner = Table(
    "partner",
    metadata,
    Column("iso", String(2), primary_key=True),
    Column("state", String(12), nullable=False),
    Column("digest", String(64), ForeignKey("bundle.digest"), nullable=False),
    Column("changed", Moment, nullable=False),
)

#: Which bundle was in force from when, on whose word.
activation = Table(
    "activation",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("iso", String(2), nullable=False, index=True),
    Column("state", String(12), nullable=False),
    Column("digest", String(64), ForeignKey("bundle.digest"), nullable=False),
    Column("at", Moment, nullable=False),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
)

#: What came and was not taken, in the very words of the indexes that hold nothing else: a message that is taken costs them nothing.
NOT_TAKEN = text("outcome NOT IN ('accepted', 'duplicate', 'pending')")
#: What people wrote off mailed spreadsheets, in the words of its index: nobody signed it.
TRANSCRIBED = text("fingerprint = ''")

#: What came, kept before it is judged. ``outcome``: pending, accepted, duplicate, conflict, refused, quarantined, or failed (judging
#: it failed by a fault of ours, ``tries`` times). ``identity`` is the partner that TLS proved. ``pruned``, here and elsewhere: since
#: when the bytes are gone by a rule of retention.
intake = Table(
    "intake",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("received", Moment, nullable=False),
    Column("remote", Text, nullable=False),
    Column("identity", String(2)),
    Column("binding", String(8), nullable=False, server_default="https"),
    Column("tries", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("outcome", String(12), nullable=False),
    Column("partner", String(2)),
    Column("code", String(40)),
    Column("detail", Text),
    Column("facts", Text),
    Column("answer", LargeBinary),
    Column("pruned", Moment),
    Index("ix_intake_outcome_id_size", "outcome", "id", "size"),
    *(
        Index(f"ix_intake_{'_'.join(columns)}_received", *columns, "received", sqlite_where=NOT_TAKEN, postgresql_where=NOT_TAKEN)
        for columns in (("outcome",), ("partner", "outcome"), ("code", "outcome"), ("partner", "code", "outcome"))
    ),
)

#: Messages whose id is claimed. ``body`` is the signed document; ``answer`` is the signed receipt that stands for it. ``voided``: since
#: when two people hold what it said for nothing.
message = Table(
    "message",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("partner", String(2), nullable=False),
    Column("message_id", String(64), nullable=False),
    Column("kind", String(12), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("refers_to", String(64)),
    Column("created", Moment, nullable=False),
    Column("received", Moment, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("statements", Integer, nullable=False),
    Column("body", LargeBinary),
    Column("answer", LargeBinary, nullable=False),
    Column("voided", Moment),
    Column("pruned", Moment),
    UniqueConstraint("partner", "message_id"),
    Index("ix_message_received", "received"),
    Index("ix_message_message_id", "message_id"),
    Index("ix_message_partner_received", "partner", "received"),
    Index("ix_message_kind_received", "kind", "received"),
    Index("ix_message_partner_kind_received", "partner", "kind", "received"),
    Index(
        "ix_message_voided_received",
        "received",
        sqlite_where=text("voided IS NOT NULL"),
        postgresql_where=text("voided IS NOT NULL"),
    ),
    Index("ix_message_transcribed_received", "received", sqlite_where=TRANSCRIBED, postgresql_where=TRANSCRIBED),
)

#: Lists, whole or in parts. ``state``: waiting (for parts), applied, held (for a person), released, dropped.
listing = Table(
    "listing",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("partner", String(2), nullable=False),
    Column("scope", String(2), nullable=False),
    Column("as_of", Moment, nullable=False),
    Column("parts", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("baseline", Boolean, nullable=False),
    Column("granting", Integer, nullable=False),
    Column("omitting", Integer, nullable=False),
    Column("changed", Moment, nullable=False),
    UniqueConstraint("partner", "scope", "as_of"),
)

listing_part = Table(
    "listing_part",
    metadata,
    Column("listing", _Id, ForeignKey("listing.id"), primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("message_id", String(64), nullable=False),
    Column("statements", LargeBinary, nullable=False),
)

#: One thing one administration said about one authorisation. ``body`` is msgpack of core.model.Told; what a person decided of it
#: later (``released``, ``voided``) stands in the columns, with its moment, so that an answer can be given again as known before.
statement = Table(
    "statement",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("partner", String(2), nullable=False),
    Column("tin", String(35), nullable=False),
    Column("message_id", String(64), nullable=False),
    Column("received", Moment, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("released", Moment),
    Column("derived", Boolean, nullable=False),
    Column("voided", Moment),
    Column("body", LargeBinary, nullable=False),
    Index("ix_statement_partner_tin", "partner", "tin"),
    Index("ix_statement_partner_message_id", "partner", "message_id"),
)

#: The folded timeline of one operator, never a verdict. ``entry`` is the journal entry that last changed it.
operator = Table(
    "operator",
    metadata,
    Column("tin", String(35), primary_key=True),
    Column("partner", String(2), nullable=False, index=True),
    Column("timeline", LargeBinary, nullable=False),
    Column("entry", _Id, nullable=False, index=True),
)

#: Sequence numbers. ``direction`` is in or out; ``last`` the highest used or seen.
sequence = Table(
    "sequence",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("direction", String(3), primary_key=True),
    Column("priority", String(8), primary_key=True),
    Column("last", Integer, nullable=False),
    Column("epoch", Integer, nullable=False, server_default="0"),
    Column("began", Moment),
    Column("latest", Moment),
)

#: What a partner's lists and updates changed in a day at home without a person: the threshold counts it.
applied_change = Table(
    "applied_change",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("granting", Integer, nullable=False),
    Column("omitting", Integer, nullable=False),
)

#: Our own queries: about which code, until when one may be answered, and what answered it. ``as_of`` is the moment that a denial
#: pictures. ``query_message`` names every id under which one was sent.
query = Table(
    "query",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("partner", String(2), nullable=False),
    Column("tin", String(35), nullable=False),
    Column("asked", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("closed", Moment),
    Column("outcome", String(12)),
    Column("as_of", Moment),
    Column("answered_by", String(64)),
    Index("ix_query_partner_as_of", "partner", "as_of"),
    Index("ix_query_tin", "tin"),
)

query_message = Table(
    "query_message",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("message_id", String(64), primary_key=True),
    Column("query", _Id, ForeignKey("query.id"), nullable=False, index=True),
)

#: How often a partner asked about our operators in a day at home, and how often nothing could be said.
query_load = Table(
    "query_load",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("asked", Integer, nullable=False),
    Column("unanswered", Integer, nullable=False),
)

#: What is to be sent. ``state``: queued, sending, delivered, superseded, expired, dead, reissued; or mailed: written as a
#: spreadsheet for a person to mail, so no receipt ever comes. ``body`` is signed at the first try and then stays; ``good_until`` is when
#: the certificate that signed it ends. ``due`` is of the database's clock. ``codes`` are the operators that it speaks of, a line each;
#: none: nobody noted them.
outbox = Table(
    "outbox",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("partner", String(2), nullable=False),
    Column("message_id", String(64), nullable=False, unique=True),
    Column("kind", String(12), nullable=False),
    Column("rank", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("header", LargeBinary, nullable=False),
    Column("payload", Text, nullable=False),
    Column("body", LargeBinary),
    Column("digest", String(64)),
    Column("good_until", Moment),
    Column("state", String(12), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("due", Moment, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("finished", Moment),
    Column("problem", Text),
    Column("answer", LargeBinary),
    Column("bundle", String(64), nullable=False),
    Column("codes", Text),
    Column("pruned", Moment),
    Index("ix_outbox_partner_state_rank", "partner", "state", "rank", "id"),
    Index("ix_outbox_partner_rank_sequence", "partner", "rank", "sequence"),
    Index("ix_outbox_partner_kind", "partner", "kind", "id"),
    Index("ix_outbox_partner_state_expires", "partner", "state", "expires"),
    Index("ix_outbox_state_created", "state", "created"),
    Index("ix_outbox_partner_state_created", "partner", "state", "created"),
    Index("ix_outbox_kind_state_created", "kind", "state", "created"),
    Index("ix_outbox_partner_kind_state_created", "partner", "kind", "state", "created"),
)

#: How the line to a partner is: tries that failed since the last that did not, and until when it is left alone (the database's clock).
#: Whoever takes a message of the queue locks this row.
line = Table(
    "line",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", Moment, nullable=False),
    Column("problem", Text),
)

#: Who may do the one thing that only one node may do at a time, until when (the database's clock).
lease = Table(
    "lease",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Moment, nullable=False),
)

#: As text: a bound value would keep a database from using the index that has this condition.
REHEARSED = text("kind = 'rehearsal'")
EMERGENCIES = text("kind = 'emergency'")

#: The journal. ``position`` and ``leaf`` are given by the sealer to committed entries only; leaf = SHA-256 over (0x00, body) as RFC 9162
#: says. It is kept so that, of a batch that does not fit its checkpoint, the very entry can be named.
entry = Table(
    "entry",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("position", BigInteger, unique=True),
    Column("leaf", LargeBinary(32)),
    Column("at", Moment, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("partner", String(2)),
    Column("subject", String(64), nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
)
#: The few among them that say what was done as an emergency: every terminal asks for them.
Index("ix_entry_emergency", entry.c.at, sqlite_where=EMERGENCIES, postgresql_where=EMERGENCIES)
#: The few among them that say how a rehearsal ended, by partner.
Index("ix_entry_rehearsed", entry.c.partner, entry.c.id, sqlite_where=REHEARSED, postgresql_where=REHEARSED)

#: Sealed states of the journal: the tree's frontier, and the signed checkpoint.
checkpoint = Table(
    "checkpoint",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", String(64), nullable=False),
    Column("sealed", Moment, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("signed", LargeBinary, nullable=False),
)

#: Revocation lists and responses (DER) that messages were judged with, by SHA-256: the evidence of a message names and holds them.
fact = Table(
    "fact",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(4), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("stored", Moment, nullable=False),
)

#: How long each class (``store.retention_classes``) is kept once it is closed: ``days``, because of what, on whose word. A class without a row is
#: kept. ``rows`` and ``bytes`` count what went since the rule was first set.
retention = Table(
    "retention",
    metadata,
    Column("shelf", String(16), primary_key=True),
    Column("days", Integer, nullable=False),
    Column("because", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
)

#: Our own hand on the switch. ``what``: operator, arrangement or disruption. Lifting closes ``until``.
switch = Table(
    "switch",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("what", String(12), nullable=False),
    Column("subject", String(35), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    Column("who", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("lifted_by", Text),
    Column("recorded", Moment, nullable=False),
    Column("lifted", Moment),
    Column("lifted_because", Text),
    Column("resumed", Moment),
    Column("priority_until", Moment),
)

#: Everybody who can do anything here. ``kind``: person or system; ``roles`` are a person's, by name. ``password`` is argon2's text,
#: ``totp`` the secret of a second factor and ``totp_step`` the last step of it that was used, ``subject`` who it is at the administration's
#: own provider of sign-in. ``exempt``: the second person of an installation, until a third acknowledges.
principal = Table(
    "principal",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("kind", String(8), nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("email", Text),
    Column("language", String(2)),
    Column("roles", Text, nullable=False, server_default=""),
    Column("created", Moment, nullable=False),
    Column("created_by", String(32)),
    Column("disabled", Moment),
    Column("exempt", Boolean, nullable=False, server_default=false()),
    Column("password", Text),
    Column("totp", Text),
    Column("totp_step", BigInteger),
    Column("subject", Text, unique=True),
)

#: Accounts at that provider that were taken from a person: whoever comes by one is not let in as somebody new.
former_account = Table(
    "former_account",
    metadata,
    Column("account", Text, primary_key=True),
    Column("principal", String(16), ForeignKey("principal.id"), nullable=False),
    Column("ended", Moment, nullable=False),
)

#: Why two persons cannot be the two of a decision for a while: one created the other, reset its sign-in or changed its roles.
tie = Table(
    "tie",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("principal", String(16), ForeignKey("principal.id"), nullable=False, index=True),
    Column("other", String(16), ForeignKey("principal.id"), nullable=False),
    Column("since", Moment, nullable=False),
    Column("why", String(12), nullable=False),
)

#: Who may do for a while what an approver may, in his place.
deputy = Table(
    "deputy",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("principal", String(16), ForeignKey("principal.id"), nullable=False),
    Column("deputy", String(16), ForeignKey("principal.id"), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("named_by", String(32), nullable=False),
    Column("ended", Moment),
)

#: A person's passkeys: what the authenticator calls itself, its public key, and how often it said that it had signed.
passkey = Table(
    "passkey",
    metadata,
    Column("id", String(344), primary_key=True),
    Column("principal", String(16), ForeignKey("principal.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("signed", BigInteger, nullable=False),
    Column("created", Moment, nullable=False),
    Column("last_used", Moment),
)

#: Persons who are signed in to the console. ``hash`` is of the cookie; ``method`` is how somebody signed in.
session = Table(
    "session",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("principal", String(16), ForeignKey("principal.id"), nullable=False, index=True),
    Column("method", String(12), nullable=False),
    Column("created", Moment, nullable=False),
    Column("seen", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("address", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("ended", Moment),
)

#: One-time links by the hash of their secret, with which a person sets up how it signs in.
link = Table(
    "link",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("principal", String(16), ForeignKey("principal.id"), nullable=False, index=True),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("used", Moment),
)

#: Terminals that ask to be signed in (RFC 8628): ``hash`` is of the device code, ``user_code`` what a person types at the console,
#: ``polled`` when the terminal last asked. ``state``: pending, approved, denied or used.
device = Table(
    "device",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("user_code", String(12), nullable=False, unique=True),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("principal", String(16), ForeignKey("principal.id")),
    Column("polled", Moment),
)

#: What somebody has begun who is not signed in yet, by the hash of the cookie that tells his browser from others: ``body`` is JSON of what
#: its end will be held against, such as a challenge.
ceremony = Table(
    "ceremony",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("kind", String(12), primary_key=True),
    Column("principal", String(16), ForeignKey("principal.id")),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("address", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

#: Attempts to sign in that failed, by the account or address that is slowed down.
attempt = Table(
    "attempt",
    metadata,
    Column("subject", String(128), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last", Moment, nullable=False),
)

#: Callers. Only a hash of the token is kept. A person's carries no scopes of its own: it may do what that person may.
token = Table(
    "token",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("principal", String(16), ForeignKey("principal.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("scopes", Text, nullable=False),
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("last_used", Moment),
    Column("revoked", Moment),
)

#: What was answered to a token under a key of its own choice, for a while: who lost the answer asks again. ``digest`` is of the request.
idempotency = Table(
    "idempotency",
    metadata,
    Column("token", String(16), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("answer", LargeBinary, nullable=False),
)

#: China's own enterprises as the credit management system states them; ``record`` is msgpack of the state.
enterprise = Table(
    "enterprise",
    metadata,
    Column("uscc", String(18), primary_key=True),
    Column("customs_code", String(10), index=True),
    Column("state", LargeBinary, nullable=False),
    Column("changed", Moment, nullable=False),
)

#: Every record of the feed as it came, with what was judged of it.
enterprise_record = Table(
    "enterprise_record",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("uscc", String(18), nullable=False, index=True),
    Column("recorded", Moment, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("foreseen", Boolean, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("note", Text),
)

#: Which enterprise had a customs code: from the moment at which a record that says so came, until before the one from which on no record
#: does (none: it has it still). By our clock: the feed says no day for a changed code.
code_holder = Table(
    "code_holder",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("code", String(10), nullable=False, index=True),
    Column("uscc", String(18), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
)

#: What the feed claimed of itself, each time it did. ``complete``: the tiers of which it names every enterprise, joined by a comma, or
#: ``all``, or nothing; ``as_of``: when what it says was so. Of what is missing it said nothing that time.
feed_claim = Table(
    "feed_claim",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("recorded", Moment, nullable=False),
    Column("complete", Text),
    Column("as_of", Moment),
    Column("who", Text, nullable=False),
)

#: What a partner was told about an enterprise, under which code and by which message; who proved and who accepted it.
belief = Table(
    "belief",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("tin", String(35), primary_key=True),
    Column("outbox", _Id, primary_key=True, autoincrement=False, index=True),
    Column("uscc", String(18), nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
    Column("since", Moment, nullable=False),
    Column("received", Moment),
    Column("outcome", String(12)),
    Column("outcome_message", String(64)),
)

#: Certificates a partner announced for itself by a signed ``keys`` message. Pins of the partner data stand beside them. ``proven``: it showed
#: that it holds the key.
announced = Table(
    "announced",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("role", String(8), primary_key=True),
    Column("partner", String(2), primary_key=True, index=True),
    Column("certificate", LargeBinary, nullable=False),
    Column("since", Moment, nullable=False),
    Column("message_id", String(64), nullable=False),
    Column("proven", Boolean, nullable=False, server_default=false()),
)

#: What does not work with one partner (``problems``): ``what`` was done, since when it fails, when it last did, and by what.
partner_problem = Table(
    "partner_problem",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("what", String(16), primary_key=True),
    Column("since", Moment, nullable=False),
    Column("last", Moment, nullable=False),
    Column("problem", Text, nullable=False),
)

#: What one person wants annulled and another confirms. ``what``: message or certificate; ``subject`` its id or fingerprint; ``since``
#: goes with a certificate. The counts are of what was annulled.
voiding = Table(
    "voiding",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("what", String(12), nullable=False),
    Column("partner", String(2), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("since", Moment),
    Column("reason", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed", Moment, nullable=False),
    Column("confirmed_by", Text),
    Column("confirmed", Moment),
    Column("messages", Integer),
    Column("operators", Integer),
)

#: Certificates of a partner that are never relied on again, wherever they are pinned, and their keys (SHA-256 of the public key; none
#: where the certificate itself is not known any more).
withdrawn = Table(
    "withdrawn",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("key", String(64)),
    Column("voiding", _Id, ForeignKey("voiding.id"), nullable=False),
)

#: Spreadsheets that a partner mailed, read by one person; what they say counts once another has confirmed it. ``state``: proposed,
#: confirmed, discarded. ``body`` is the file; from the confirmation on it is the message's (``message_id``).
transcription = Table(
    "transcription",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("partner", String(2), nullable=False),
    Column("message_id", String(64), nullable=False, unique=True),
    Column("kind", String(12), nullable=False),
    Column("scope", String(2), nullable=False),
    Column("as_of", Moment, nullable=False),
    Column("file", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("bundle", String(64), nullable=False),
    Column("statements", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("state", String(12), nullable=False),
    Column("reason", Text, nullable=False),
    Column("proposed_by", Text, nullable=False),
    Column("proposed", Moment, nullable=False),
    Column("decided_by", Text),
    Column("decided", Moment),
    Column("body", LargeBinary),
)

#: What one person proposed and takes a second one (``core.four_eyes``). ``number``, where it has one, is that under which people know it:
#: of the voiding, the transcription, the list or the record of the feed. ``digest`` is of what was proposed: a second person agrees to
#: that and to nothing else. ``proposer`` is the principal, ``proposed_by`` the name it had. ``state``: open, agreed, or ended, ``because``
#: of what; ``decided_by`` is missing where no person ended it.
proposal = Table(
    "proposal",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("decision", String(16), nullable=False),
    Column("number", BigInteger),
    Column("partner", String(2)),
    Column("digest", String(64), nullable=False),
    Column("proposer", String(16), nullable=False, server_default=""),
    Column("proposed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("proposed", Moment, nullable=False),
    Column("state", String(12), nullable=False),
    Column("decided_by", Text),
    Column("decided", Moment),
    Column("because", Text),
    Index("ix_proposal_decision_number", "decision", "number"),
)

#: Our own next certificates by the partner to whom they were announced, and the message that did.
announcement = Table(
    "announcement",
    metadata,
    Column("partner", String(2), primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("message_id", String(64), nullable=False),
)

#: Long work that somebody asked for. ``given`` (JSON) is what it is to do, ``again`` whether it is safe to begin again. ``state``: waiting, running,
#: done, failed, interrupted; ``done`` of ``of`` and ``sentence`` say how far it has come, or how it ended. Whoever works on it
#: (``holder``) has until ``until`` (the database's clock). ``body`` is what came of it, of media type ``media``.
job = Table(
    "job",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("kind", String(24), nullable=False),
    Column("partner", String(2)),
    Column("given", Text, nullable=False),
    Column("again", Boolean, nullable=False),
    Column("who", Text, nullable=False),
    Column("asked", Moment, nullable=False),
    Column("state", String(12), nullable=False, index=True),
    Column("done", Integer, nullable=False),
    Column("of", Integer, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("began", Moment),
    Column("ended", Moment),
    Column("holder", String(64)),
    Column("until", Moment),
    Column("tries", Integer, nullable=False),
    Column("media", String(64)),
    Column("body", LargeBinary),
)


def numbered(table: Table, number: int) -> ColumnElement[bool]:
    """Which row has the number a person gave. No database can be asked for one of more than 64 bits; no row has it either."""
    return table.c.id == number if 0 < number < 2**63 else false()
