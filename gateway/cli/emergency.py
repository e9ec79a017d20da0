"""Whether this command is an emergency, and why: said before the command, and asked for by what needs to know who acts (``who.py``)."""

from __future__ import annotations

from gateway.core.errors import Code, Refusal

_reasons: list[str] = []


def declare(reason: str | None) -> None:
    """What this one command does, it does as an emergency, where there is a reason. Raises ``Refusal`` for an empty one."""
    _reasons.clear()
    if reason is None:
        return
    if not reason.strip():
        raise Refusal(Code.DATA_INVALID, "An emergency needs a reason.", remedy='aeo-gateway --emergency "why" ...')
    _reasons.append(reason.strip())


def declared() -> str | None:
    """The reason; None: this is none."""
    return _reasons[0] if _reasons else None
