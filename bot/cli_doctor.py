"""The command that looks at the set-up and says what is missing, before customers notice: at all of it, or at one chat platform.

It must not know what can be wrong: bot/operations/checkup and each adapter's own folder do.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer
from pydantic import SecretStr
from rich.markup import escape

import adapters
from bot.config import Settings
from bot.errors import DatabaseError, DeliveryError, FirstlineError, SettingsError
from bot.logs import know, redacted
from bot.model import ChatRef, Finding, Page, Person
from bot.screen import screen

if TYPE_CHECKING:
    from adapters.mail import MailAdapter

doctor = typer.Typer(
    invoke_without_command=True,
    help="Look at the whole set-up, or at that of one chat platform: what is missing, and what to do.",
)
out = screen()
Form = Annotated[Literal["rich", "json"], typer.Option("--format", help="rich or json")]
Section = tuple[str, AsyncIterator[Finding]]

_COLOURS = {"ok": "green", "note": "dim", "warning": "yellow", "error": "red"}


@doctor.callback()
def everything(context: typer.Context, form: Form = "rich") -> None:
    """Look at the whole set-up, or at that of one chat platform: what is missing, and what to do.

    Exit status 1 if there is an error. It changes nothing, sends nothing, and needs no account.
    """
    if context.invoked_subcommand is not None:
        return
    try:
        settings = _settings()
    except SettingsError as error:
        _show([("Settings", _refused(error))], form)
        return
    _show(list(_sections(settings)), form)


@doctor.command()
def slack(
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="a channel that the bot should be in, such as C0123; repeatable"),
    ] = None,
    form: Form = "rich",
) -> None:
    """Tokens, scopes, events, the way in, and the channels that customers are bound to."""
    _show([("", _slack(_settings(), channel or ()))], form)


@doctor.command()
def telegram(
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="the number of a group that the bot should be in, such as -100123; repeatable"),
    ] = None,
    form: Form = "rich",
) -> None:
    """The token, the clock, privacy mode, the way in, and the groups that customers are bound to."""
    _show([("", _telegram(_settings(), group or ()))], form)


def _settings() -> Settings:
    settings = Settings.load()
    know(settings.secrets)
    return settings


def _sections(settings: Settings) -> Iterator[Section]:
    from bot.bootstrap import now, open_files
    from bot.operations.checkup import data, knowledge, machine

    async def files() -> AsyncIterator[Finding]:
        async for finding in data.files(settings, open_files(settings)):
            yield finding

    yield "Machine and settings", machine.surroundings(settings, list(adapters.REGISTRY))
    yield "Intent files", knowledge.intents(settings)
    yield "Database", data.database(settings, now)
    yield "Files", files()
    yield "Customers", data.customers(settings)
    yield "Mail", _mail(settings)
    yield "Staff", _staff(settings)
    if not settings.adapter_names:
        yield "Chats", _no_chat()
    for name in settings.adapter_names:
        yield name.title(), _chat(settings, name)
    yield "Running bot", machine.running_bot(settings)


async def _staff(settings: Settings) -> AsyncIterator[Finding]:
    from bot.bootstrap import places_of

    places = places_of(settings, ())
    if places.main is None:
        message = "No chat of staff is set, so they work with `firstline tickets` alone."
        yield Finding("note", message, "Set FIRSTLINE_STAFF_CHAT to a group or channel of theirs: docs/desk.md.")
        return
    listed = len(places.roster.colleagues)
    who = f"{listed} are on the list of staff" if listed else "whoever is a member there is of staff"
    yield Finding("ok", f"Staff sit in {places.main.lane}; {who}.")


async def _no_chat() -> AsyncIterator[Finding]:
    yield Finding(
        "note",
        "No chat adapter is set, so only `firstline chat` talks.",
        "Set FIRSTLINE_ADAPTERS=telegram or slack, with their tokens: docs/telegram.md, docs/slack.md.",
    )


async def _chat(settings: Settings, name: str) -> AsyncIterator[Finding]:
    match name:
        case "telegram":
            findings = _telegram(settings)
        case "slack":
            findings = _slack(settings)
        case _:
            findings = _made(settings, name)
    async for finding in findings:
        yield finding


async def _made(settings: Settings, name: str) -> AsyncIterator[Finding]:
    """Of an adapter that has no doctor of its own it can be said that it can be made."""
    from bot.bootstrap import Rendering

    rendering = Rendering(settings, _nobody_home)
    try:
        assert rendering[name].name
    finally:
        await rendering.close()
    yield Finding("ok", f"The adapter {name} can be made from its settings.")


async def _nobody_home(_chat: ChatRef, _person: Person) -> Page:
    """Nobody asks while a set-up is looked at."""
    raise FirstlineError


async def _mail(settings: Settings) -> AsyncIterator[Finding]:
    from bot.bootstrap import mail

    found = cast("Sequence[MailAdapter]", mail(settings))
    if not found:
        remedy = (
            "Set FIRSTLINE_SMTP_HOST and FIRSTLINE_SMTP_FROM if customers are to prove themselves: docs/customers.md."
        )
        yield Finding("note", "No mail server is set, so no codes are mailed.", remedy)
        return
    for adapter in found:
        try:
            await adapter.greet()
        except DeliveryError as error:
            remedy = "Look at FIRSTLINE_SMTP_HOST, _PORT, _SECURITY, _USER and _PASSWORD."
            yield Finding("error", f"{settings.smtp_host}:{settings.smtp_port}: {error}.", remedy)
        else:
            logged_in = f", {settings.smtp_user} may log in" if settings.smtp_user else ""
            yield Finding("ok", f"The mail server {settings.smtp_host}:{settings.smtp_port} answers{logged_in}.")


async def _slack(settings: Settings, channels: Sequence[str] = ()) -> AsyncIterator[Finding]:
    looks = adapters.doctor("slack")
    setup = looks.Setup(
        bot_token=_value(settings.slack_bot_token),
        app_token=_value(settings.slack_app_token),
        signing_secret=_value(settings.slack_signing_secret),
        http=settings.slack_mode == "http",
        called_at=f"{settings.public_url.rstrip('/')}/slack/events" if settings.public_url else None,
        channels=[*channels, *await _bound(settings, "slack")],
        staff=_staffed(settings, "slack"),
        listed=_listed(settings, "slack"),
        config_token=_value(settings.slack_config_token),
        app_id=settings.slack_app_id,
        **({"base_url": settings.slack_api_url} if settings.slack_api_url else {}),
    )
    async for finding in looks.diagnose(setup):
        yield finding


async def _telegram(settings: Settings, groups: Sequence[str] = ()) -> AsyncIterator[Finding]:
    looks = adapters.doctor("telegram")
    main, second = (_chat_of(each, "telegram") for each in (settings.staff_chat, settings.staff_second_chat))
    setup = looks.Setup(
        token=_value(settings.telegram_token),
        webhook=settings.telegram_mode == "webhook",
        called_at=f"{settings.public_url.rstrip('/')}/telegram" if settings.public_url else None,
        groups=[*groups, *second, *await _bound(settings, "telegram")],
        staff=next(iter(main), None),
        people=_people(settings, "telegram"),
        name=settings.telegram_bot_name,
        **({"base_url": f"{settings.telegram_api_url}/bot"} if settings.telegram_api_url else {}),
    )
    async for finding in looks.diagnose(setup):
        yield finding


async def _refused(error: SettingsError) -> AsyncIterator[Finding]:
    for line in str(error).splitlines():
        if line.startswith(" "):
            yield Finding(
                "error", line.strip(), "Correct it in the environment or in .env; bot/config.py says what it may be."
            )


def _show(sections: Sequence[Section], form: str) -> None:
    """Print each finding when it comes. Exits with 1 if there is an error among them."""

    async def work() -> list[tuple[str, Finding]]:
        found = []
        for title, findings in sections:
            shown = False
            async for each in _whatever_happens(findings):
                # A gateway may repeat in its answer what it was called with.
                finding = replace(each, message=redacted(each.message), remedy=redacted(each.remedy))
                if form == "rich" and title and not shown:
                    out.print(f"\n[bold]{escape(title)}[/]", highlight=False)
                shown = True
                found.append((title, finding))
                if form == "rich":
                    level = f"[{_COLOURS[finding.level]}]{finding.level:<8}[/]"
                    out.print(f"{level}{escape(finding.message)}", highlight=False, soft_wrap=True)
                    if finding.remedy:
                        out.print(f"{'':8}{escape(finding.remedy)}", highlight=False, soft_wrap=True)
        return found

    found = asyncio.run(work())
    levels = Counter(finding.level for _, finding in found)
    if form == "json":
        rows = [({"section": title} if title else {}) | asdict(finding) for title, finding in found]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    elif len(sections) > 1:
        counts = [f"{levels[level]} {level}{'s' * (levels[level] != 1)}" for level in ("error", "warning")]
        out.print(f"\n{', '.join(counts)}", highlight=False)
    if levels["error"]:
        raise typer.Exit(1)


async def _whatever_happens(findings: AsyncIterator[Finding]) -> AsyncIterator[Finding]:
    """One part that cannot be looked at does not hide the others."""
    try:
        async for finding in findings:
            yield finding
    except FirstlineError as error:
        message, _, remedy = str(error).partition(": ") if ": pip install" in str(error) else (str(error), "", "")
        yield Finding("error", message, remedy or "Correct that setting, then look again.")
    except Exception as error:
        # Its words may hold an address with a password.
        yield Finding(
            "error", f"This could not be looked at ({type(error).__name__}).", "The findings before it may tell why."
        )


def _staffed(settings: Settings, adapter: str) -> Sequence[str]:
    """The chats of staff on this platform; what is wrong with the setting is told in its own section."""
    return [*_chat_of(settings.staff_chat, adapter), *_chat_of(settings.staff_second_chat, adapter)]


def _chat_of(written: str | None, adapter: str) -> Sequence[str]:
    name, _, chat = (written or "").partition(":")
    return [chat] if name == adapter and chat else []


def _people(settings: Settings, adapter: str) -> dict[str, str]:
    """The names of those on the list of staff, by their ids there. Raises SettingsError."""
    from bot.room.roster import read_roster

    if settings.staff_file is None:
        return {}
    listed = read_roster(settings.staff_file).colleagues
    return {each.accounts[adapter]: each.person.name for each in listed if adapter in each.accounts}


def _listed(settings: Settings, adapter: str) -> Mapping[str, str]:
    """Who is on the list of staff, by their id on this platform; what is wrong with the list is told in its own section."""
    from bot.room.roster import read_roster

    try:
        roster = read_roster(settings.staff_file) if settings.staff_file is not None else None
    except SettingsError:
        return {}
    people = roster.colleagues if roster is not None else ()
    return {c.accounts[adapter]: c.person.name for c in people if adapter in c.accounts}


async def _bound(settings: Settings, adapter: str) -> Sequence[str]:
    """The channels that are bound to customers; none where there is no database yet."""
    from bot.bootstrap import open_store

    if not settings.database_url and not settings.embedded_database.exists():
        return ()
    try:
        async with open_store(settings) as store, store.snapshot() as session:
            known = [k for o in await session.customers.organisations() for k in await session.customers.known(o.id)]
    except DatabaseError:
        return ()
    # A team is bound by its own id, and is no channel.
    channels = [k.who for k in known if k.kind == "channel" and k.adapter == adapter]
    return [channel for channel in channels if not channel.startswith("T") or ":" in channel]


def _value(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
