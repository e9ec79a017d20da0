"""Steps 4 to 6 of receive: from a proven message to something that may be recorded.

Pure computing on what the node knows already: no database, no network, no clock of its own. Each stage takes the type that only
the stage before it makes. Whatever fails raises ``Refusal``; the first failing stage speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.errors import Code, Refusal
from gateway.core.home import HOME_ZONE
from gateway.core.incoming import IncomingMessage
from gateway.core.model import PlacedStatement
from gateway.core.place import place
from gateway.core.protocol import OwnPayload
from gateway.exchange.bindings.base import Proven
from gateway.exchange.receive.authority import check_authority, complete
from gateway.wire.dialect import Reading


@dataclass(frozen=True, slots=True)
class Translated:
    """A message that may be recorded: its statements placed in time (none for kinds that carry none), and what a kind of our own says."""

    proven: Proven
    placed: tuple[PlacedStatement, ...] = ()
    reading: Reading | None = None
    own: OwnPayload = None

    @property
    def incoming(self) -> IncomingMessage:
        return IncomingMessage(self.proven.header, self.proven.live.arrangement, self.proven.digest, self.placed)


def translate(proven: Proven, received: datetime) -> Translated:
    """4, 5, 6: valid against the agreed schema, translated by its annotated sample, about the sender's own operators only."""
    header, arrangement = proven.header, proven.live.arrangement
    day = received.astimezone(HOME_ZONE).date()
    choice = arrangement.dialect.on(day).value
    if choice is None or header.dialect != choice.name or header.version not in choice.accepts:
        agreed = "none" if choice is None else f"{choice.name} {', '.join(choice.accepts)}"
        raise Refusal(
            Code.SCHEMA_NOT_AGREED, f"The message says {header.dialect} {header.version}; agreed is {agreed}.", field="Schema"
        )
    dialect = proven.live.bundle.dialects[header.dialect, header.version]
    dialect.validate(proven.payload)
    reading = dialect.read(header.kind, proven.payload)
    complete(header, arrangement)
    check_authority(reading.statements, header, arrangement)
    placed = tuple(
        place(statement, header, arrangement.zone_of(statement.tin), digest=proven.digest, received=received)
        for statement in reading.statements
    )
    return Translated(proven, placed, reading)
