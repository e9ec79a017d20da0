"""What an installation chooses, read once from the environment and frozen.

Every variable begins with ``AEO_``. A fault names the variable and the remedy; all faults are reported at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError

from gateway.core.access import StaffRole
from gateway.core.text import visible

#: The folder that holds partners/, schemas/ and keys/ beside the code.
ROOT = Path(__file__).resolve().parent.parent


def _seconds(least: float, most: float, *, optional: bool = False) -> BeforeValidator:
    """A number of seconds from ``least`` to ``most``, as people write durations in an environment; ``optional``: or nothing at all."""
    bounds = f"from {least:.10g} to {most:.10g}" + (", or leave it empty" if optional else "")

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        if optional and not value:
            return None
        try:
            span = timedelta(seconds=float(value))
        except (ValueError, OverflowError):
            raise PydanticCustomError("seconds", "Give a number of seconds, such as 30 or 0.2") from None
        if not timedelta(seconds=least) <= span <= timedelta(seconds=most):
            raise PydanticCustomError("seconds", "Give a number of seconds {bounds}", {"bounds": bounds})
        return span

    return BeforeValidator(read)


def _database(value: str) -> str:
    scheme, there, _ = value.partition("://")
    if not value or (there and scheme in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")):
        return value
    if (there and scheme in ("postgres", "postgresql")) or scheme.startswith("postgresql+"):
        raise PydanticCustomError("database", "Write postgresql+psycopg:// where {scheme}:// stands", {"scheme": scheme})
    raise PydanticCustomError(
        "database", "Give sqlite:////path/to/file or postgresql+psycopg://user:password@host/database; no other kind will do"
    )


def _groups(value: str) -> str:
    pairs = [one.strip().rpartition("=") for one in value.split(",") if one.strip()]
    if any(not group or role not in set(StaffRole) for group, _, role in pairs):
        raise PydanticCustomError("groups", "Give group=role,group=role; a role is one of " + ", ".join(StaffRole))
    return value


_HOUR, _DAY = 3_600, 86_400
#: Variables of this prefix that others read: a client beside its gateway, the tests, and what Kubernetes tells of a service of that name.
_OTHERS = re.compile(r"AEO_(TOKEN|REAL_DATA|MUTATIONS|TEST\w*|\w+_(SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+))")


class SettingsFault(Exception):
    """The environment cannot be used. ``faults`` holds one plain sentence each."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


#: The languages in which there are sentences.
Sentences = Literal["en", "zh"]


class Settings(BaseModel):
    """Frozen settings. Durations are seconds in the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["demo", "production"] = Field("demo", description="demo keys and loopback partners are refused in production")
    administration: str = Field("CN", pattern="^[A-Z]{2}$", description="our own code as sender and receiver")
    home: Path = Field(ROOT / "var", description="where this installation keeps its database, keys and site settings")
    database: Annotated[str, AfterValidator(_database)] = Field("", description="SQLAlchemy URL; empty means SQLite in home")
    partners: Path = Field(ROOT / "partners", description="shipped partner data")
    schemas: Path = Field(ROOT / "schemas", description="shipped dialects")
    host: str = Field("127.0.0.1", description="where the gateway listens")
    port: int = Field(8100, ge=0, le=65535, description="and on which port")
    key: str = Field("gateway", description="the id of the key this gateway signs with")
    key_passphrase: SecretStr = Field(SecretStr(""), description="opens file keys; required in production")
    body_limit: int = Field(20 * 2**20, ge=2**16, le=2**30, description="bytes of one message")
    clock_skew: Annotated[timedelta, _seconds(0, _DAY)] = Field(
        timedelta(minutes=5), description="how far ahead of our clock a message may be created"
    )
    poll: Annotated[timedelta, _seconds(0.01, 60)] = Field(
        timedelta(milliseconds=200), description="how often the sealer, the index and the courier look"
    )
    lease: Annotated[timedelta, _seconds(1, _HOUR)] = Field(
        timedelta(seconds=30), description="how long a courier or sealer holds its work before another may take it"
    )
    current_within: Annotated[timedelta, _seconds(0.1, _HOUR)] = Field(
        timedelta(seconds=5), description="who cannot know for longer than this whether something new was committed is not current"
    )
    url: str = Field("", description="where people reach the console; empty: http://AEO_HOST:AEO_PORT")
    oidc_issuer: str = Field(
        "", pattern="^(https?://[^?#]+)?$", description="the administration's own provider of sign-in (OpenID Connect); empty: none"
    )
    oidc_client: str = Field("", description="as what this gateway is registered there")
    oidc_secret: SecretStr = Field(SecretStr(""), description="and what it proves itself with there")
    oidc_roles: Annotated[str, AfterValidator(_groups)] = Field(
        "", description="which group there has which role here: group=role,group=role"
    )
    token_file: str = Field("", description="the file that says who sits at this terminal; empty: terminal.token in home")
    two_people: bool = Field(
        False,
        description="what may take two people (`aeo-gateway settings show` lists it) is done only when a second person does it too; production asks for it",
    )
    proxy: str = Field("", description="the address of the TLS proxy that may forward client certificates; empty: nobody may")
    private_addresses: bool = Field(False, description="revocation lists and responders may be asked at private addresses")
    domestic_stop_after: Annotated[timedelta | None, _seconds(1e-6, 3650 * _DAY, optional=True)] = Field(
        "",
        validate_default=True,
        description="the age from which on what credit management stated of domestic parties decides nothing; empty: any age does (demo only)",
    )
    revocation_every: Annotated[timedelta, _seconds(1, 30 * _DAY)] = Field(
        timedelta(hours=6),
        description="how soon a revocation list or responder is asked again, whatever it said when the next one comes",
    )
    rate: int = Field(20_000, ge=1, le=10**9, description="codes one client may ask of each node per second")
    language: Sentences = Field("en", description="the language of sentences where a caller names none")

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.home / 'gateway.db'}"

    @property
    def public_url(self) -> str:
        """Where people reach the console, without a slash at its end."""
        return (self.url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def group_roles(self) -> tuple[tuple[str, StaffRole], ...]:
        """Which group of the administration's provider has which role here."""
        pairs = (one.strip().rpartition("=") for one in self.oidc_roles.split(",") if one.strip())
        return tuple((group.strip(), StaffRole(role)) for group, _, role in pairs)

    @property
    def terminal_token(self) -> Path:
        """Where the token of whoever sits at this terminal is kept."""
        return Path(self.token_file) if self.token_file else self.home / "terminal.token"

    @property
    def site(self) -> Path:
        """Settings and certificate pins of this installation, per partner."""
        return self.home / "site"

    @property
    def keys(self) -> Path:
        return self.home / "keys"


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Settings from ``AEO_*`` variables; raises ``SettingsFault`` naming every variable that is wrong, or is none."""
    names = {f"AEO_{name.upper()}": name for name in Settings.model_fields}
    given = {names[key]: value for key, value in environment.items() if key in names}
    faults = [
        _unknown(key, names) for key in environment if key.upper().startswith("AEO_") and key not in names and not _others(key)
    ]
    try:
        found = Settings.model_validate(given)
    except ValidationError as error:
        faults += [_fault(str(one["loc"][0]), one["msg"], one["input"]) for one in error.errors()]
        raise SettingsFault(tuple(faults)) from None
    for name in ("lease", "current_within"):
        if getattr(found, name) <= found.poll:
            faults.append(f"AEO_{name.upper()}: It must be longer than AEO_POLL (it is {getattr(found, name).total_seconds():g}).")
    if faults:
        raise SettingsFault(tuple(faults))
    return found


def _fault(name: str, why: str, given: object) -> str:
    """What is wrong with a setting. An address of a database may hold a password, and is not repeated."""
    return f"AEO_{name.upper()}: {why}" + ("." if name == "database" else f" (it is {given!r}).")


def _others(key: str) -> bool:
    return _OTHERS.fullmatch(key) is not None


def _unknown(key: str, names: Iterable[str]) -> str:
    near = get_close_matches(key.upper(), names, 1, cutoff=0.5)
    remedy = f"the nearest is {near[0]}" if near else "`aeo-gateway settings show` lists them"
    return f"{visible(key)}: There is no such setting; {remedy}."
