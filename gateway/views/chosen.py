"""What an installation chose, as a person may see it: every setting with its meaning and where it is from, and no secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

import msgspec
from pydantic import SecretStr
from sqlalchemy import make_url

from gateway.settings import Settings

Value = bool | int | float | str | None


class SettingShown(msgspec.Struct, frozen=True, kw_only=True):
    """One setting by the name of its variable. ``value``: durations are seconds; null where it is empty, and of every ``secret``, of which only
    ``given`` says whether there is one. ``source``: environment, or the default."""

    name: str
    value: Value
    given: bool
    secret: bool
    source: Literal["environment", "default"]
    description: str


def settings(chosen: Settings) -> list[SettingShown]:
    """In the order of the README's table."""
    found = []
    for name, field in Settings.model_fields.items():
        value = getattr(chosen, name)
        secret = isinstance(value, SecretStr)
        found.append(
            SettingShown(
                name=f"AEO_{name.upper()}",
                value=None if secret else _address(value) if name == "database" and value else _plain(value),
                given=bool(value.get_secret_value()) if isinstance(value, SecretStr) else value not in ("", None),
                secret=secret,
                source="environment" if name in chosen.model_fields_set else "default",
                description=field.description or "",
            )
        )
    return found


def _plain(value: object) -> Value:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return str(value)
    assert value is None or isinstance(value, bool | int | float | str), "a setting of another type needs a form for people"
    return None if value == "" else value


def _address(url: str) -> str:
    """Where the database is; a password may stand in its address or among its parameters."""
    return make_url(url).set(query={}).render_as_string(hide_password=True)
