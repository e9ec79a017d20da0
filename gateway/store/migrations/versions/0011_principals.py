"""Persons and systems are principals; tokens of before are systems of the same name and scopes, and what was open under typed names ends

A name that somebody typed is nobody: whatever waits for a second person is proposed again by a person who is known.
"""

import secrets
from datetime import UTC, datetime

import msgspec
import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_BECAUSE = "open when this gateway was upgraded: propose it again"
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_encode = msgspec.json.Encoder(order="sorted").encode


def upgrade() -> None:
    _tables()
    connection, now = op.get_bind(), datetime.now(UTC)
    _tokens(connection)
    _proposals(connection, now)


def _tables() -> None:
    op.create_table(
        "principal",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=True),
        sa.Column("language", sa.String(length=2), nullable=True),
        sa.Column("roles", sa.Text(), server_default="", nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("created_by", sa.String(length=32), nullable=True),
        sa.Column("disabled", Moment(), nullable=True),
        sa.Column("exempt", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("totp", sa.Text(), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_principal")),
        sa.UniqueConstraint("name", name=op.f("uq_principal_name")),
        sa.UniqueConstraint("subject", name=op.f("uq_principal_subject")),
    )
    op.create_table(
        "tie",
        sa.Column("id", _ID, nullable=False),
        sa.Column("principal", sa.String(length=16), nullable=False),
        sa.Column("other", sa.String(length=16), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("why", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name=op.f("fk_tie_principal")),
        sa.ForeignKeyConstraint(["other"], ["principal.id"], name=op.f("fk_tie_other")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tie")),
    )
    op.create_index("ix_tie_principal", "tie", ["principal"], unique=False)
    op.create_table(
        "deputy",
        sa.Column("id", _ID, nullable=False),
        sa.Column("principal", sa.String(length=16), nullable=False),
        sa.Column("deputy", sa.String(length=16), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("named_by", sa.String(length=32), nullable=False),
        sa.Column("ended", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name=op.f("fk_deputy_principal")),
        sa.ForeignKeyConstraint(["deputy"], ["principal.id"], name=op.f("fk_deputy_deputy")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deputy")),
    )
    op.create_table(
        "passkey",
        sa.Column("id", sa.String(length=344), nullable=False),
        sa.Column("principal", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.BigInteger(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("last_used", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name=op.f("fk_passkey_principal")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkey")),
    )
    op.create_index("ix_passkey_principal", "passkey", ["principal"], unique=False)
    op.create_table(
        "session",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=16), nullable=False),
        sa.Column("method", sa.String(length=12), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("seen", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("ended", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name=op.f("fk_session_principal")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_session")),
    )
    op.create_index("ix_session_principal", "session", ["principal"], unique=False)
    op.create_table(
        "link",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=16), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("used", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name=op.f("fk_link_principal")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_link")),
    )
    op.create_index("ix_link_principal", "link", ["principal"], unique=False)
    op.create_table(
        "device",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("user_code", sa.String(length=12), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("principal", sa.String(length=16), nullable=True),
        sa.Column("polled", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name=op.f("fk_device_principal")),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_device")),
        sa.UniqueConstraint("user_code", name=op.f("uq_device_user_code")),
    )
    op.create_table(
        "ceremony",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("principal", sa.String(length=16), nullable=True),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["principal"], ["principal.id"], name=op.f("fk_ceremony_principal")),
        sa.PrimaryKeyConstraint("hash", "kind", name=op.f("pk_ceremony")),
    )
    op.create_table(
        "attempt",
        sa.Column("subject", sa.String(length=128), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_attempt")),
    )
    emergencies = sa.text("kind = 'emergency'")
    op.create_index("ix_entry_emergency", "entry", ["at"], sqlite_where=emergencies, postgresql_where=emergencies)


def _tokens(connection: sa.Connection) -> None:
    """Each token of before is a system's, and says what it said; two of one name are one system's."""
    op.add_column("token", sa.Column("principal", sa.String(length=16), nullable=True))
    principal = sa.table("principal", sa.column("id"), sa.column("kind"), sa.column("name"), sa.column("created", Moment()))
    token = sa.table("token", sa.column("id"), sa.column("principal"), sa.column("name"), sa.column("created", Moment()))
    systems: dict[str, str] = {}
    for row in connection.execute(sa.select(token).order_by(token.c.created, token.c.id)).all():
        if row.name not in systems:
            systems[row.name] = secrets.token_hex(8)
            values = {"id": systems[row.name], "kind": "system", "name": row.name, "created": row.created}
            connection.execute(principal.insert().values(values))
        connection.execute(token.update().where(token.c.id == row.id).values(principal=systems[row.name]))
    with op.batch_alter_table("token") as batch:
        batch.alter_column("principal", existing_type=sa.String(length=16), nullable=False)
        batch.create_foreign_key(op.f("fk_token_principal"), "principal", ["principal"], ["id"])


def _proposals(connection: sa.Connection, now: datetime) -> None:
    op.add_column("proposal", sa.Column("proposer", sa.String(length=16), server_default="", nullable=False))
    columns = ("id", "decision", "number", "partner", "digest", "proposed_by", "state", "because")
    proposal = sa.table("proposal", *map(sa.column, columns), sa.column("decided", Moment()))
    entry = sa.table("entry", *map(sa.column, ("kind", "partner", "subject", "body")), sa.column("at", Moment()))
    transcription = sa.table("transcription", sa.column("state"), sa.column("decided", Moment()))
    called = {"annulment": "void", "transcription": "transcription", "list-release": "list", "list-drop": "list", "gains": "record"}
    for row in connection.execute(sa.select(proposal).where(proposal.c.state == "open").order_by(proposal.c.id)).all():
        ended = {"state": "ended", "decided": now, "because": _BECAUSE}
        connection.execute(proposal.update().where(proposal.c.id == row.id).values(ended))
        subject = row.digest if row.number is None else f"{called[row.decision]}-{row.number}"
        said = {"kind": "proposal", "at": now, "partner": row.partner, "subject": subject}
        body = _encode(said | {"ended": _BECAUSE, "proposed_by": row.proposed_by})
        connection.execute(entry.insert().values(**said, body=body))
    connection.execute(transcription.update().where(transcription.c.state == "proposed").values(state="discarded", decided=now))
