"""What an installation chooses, read once from the environment and frozen.

Every variable begins with ``AEO_``. A fault names the variable and the remedy; all faults are reported at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import PydanticCustomError

from gateway.core.access import StaffRole
from gateway.core.moments import LONGEST

#: The folder that holds partners/, schemas/ and keys/ beside the code.
ROOT = Path(__file__).resolve().parent.parent


def _seconds(value: object) -> object:
    """A number of seconds, as people write durations in an environment."""
    if isinstance(value, str):
        try:
            span = timedelta(seconds=float(value))
        except (ValueError, OverflowError):
            raise PydanticCustomError("seconds", "Give a number of seconds, such as 30 or 0.2") from None
        if not timedelta() <= span <= LONGEST:
            raise PydanticCustomError("seconds", "Give a number of seconds from 0 to a hundred years")
        return span
    return value


def _some_seconds(value: object) -> object:
    """The same, more than none and no more than ten years; or nothing at all."""
    read = None if value == "" else _seconds(value)
    if isinstance(read, timedelta) and not timedelta(0) < read <= timedelta(days=3650):
        raise PydanticCustomError("seconds", "Give a number of seconds from 1 to 315360000, or leave it empty")
    return read


def _groups(value: str) -> str:
    pairs = [one.strip().rpartition("=") for one in value.split(",") if one.strip()]
    if any(not group or role not in set(StaffRole) for group, _, role in pairs):
        raise PydanticCustomError("groups", "Give group=role,group=role; a role is one of " + ", ".join(StaffRole))
    return value


Seconds = Annotated[timedelta, BeforeValidator(_seconds)]
OptionalSeconds = Annotated[timedelta | None, BeforeValidator(_some_seconds)]


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
    database: str = Field("", description="SQLAlchemy URL; empty means SQLite in home")
    partners: Path = Field(ROOT / "partners", description="shipped partner data")
    schemas: Path = Field(ROOT / "schemas", description="shipped dialects")
    host: str = Field("127.0.0.1", description="where the gateway listens")
    port: int = Field(8100, ge=0, le=65535, description="and on which port")
    key: str = Field("gateway", description="the id of the key this gateway signs with")
    key_passphrase: SecretStr = Field(SecretStr(""), description="opens file keys; required in production")
    body_limit: int = Field(20 * 2**20, description="bytes of one message")
    clock_skew: Seconds = Field(timedelta(minutes=5), description="how far ahead of our clock a message may be created")
    poll: Seconds = Field(timedelta(milliseconds=200), description="how often the sealer, the index and the courier look")
    lease: Seconds = Field(
        timedelta(seconds=30), description="how long a courier or sealer holds its work before another may take it"
    )
    current_within: Seconds = Field(
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
    domestic_stop_after: OptionalSeconds = Field(
        "",
        validate_default=True,
        description="the age from which on what credit management stated of domestic parties decides nothing; empty: any age does (demo only)",
    )
    revocation_every: Seconds = Field(
        timedelta(hours=6),
        description="how soon a revocation list or responder is asked again, whatever it said when the next one comes",
    )
    rate: int = Field(20_000, description="codes one client may ask of each node per second")
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
    """Settings from ``AEO_*`` variables; raises ``SettingsFault`` naming every variable that is wrong."""
    names = {f"AEO_{name.upper()}": name for name in Settings.model_fields}
    given = {names[key]: value for key, value in environment.items() if key in names}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsFault(
            tuple(f"AEO_{str(fault['loc'][0]).upper()}: {fault['msg']} (it is {fault['input']!r})." for fault in error.errors())
        ) from None
