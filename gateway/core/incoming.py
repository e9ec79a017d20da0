"""What one incoming message says, however it came."""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.arrangement import Arrangement
from gateway.core.model import Header, PlacedStatement


class IncomingMessage(NamedTuple):
    """What one message says, however it came. ``digest`` (SHA-256, hex) is of what was signed, or of the file that was mailed.
    ``epoch`` is the numbering epoch of its number; ``clock_went_back``: what is numbered beside it contradicts its moment."""

    header: Header
    arrangement: Arrangement
    digest: str
    placed: tuple[PlacedStatement, ...]
    epoch: int = 0
    clock_went_back: bool = False
