"""The command that looks at a chat platform's set-up and says what is missing, before customers notice.

It must not know what can be wrong: each adapter's own folder does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from typing import Annotated, Literal

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.markup import escape

import adapters
from bot.config import Settings
from bot.errors import DatabaseError
from bot.model import Finding

doctor = typer.Typer(
    no_args_is_help=True, help="Look at the set-up of a chat platform: what is missing, and what to do."
)
out = Console()
Form = Annotated[Literal["rich", "json"], typer.Option("--format", help="rich or json")]

_SHOWN = {"ok": "[green]ok[/]", "note": "[dim]note[/]", "warning": "[yellow]warning[/]", "error": "[red]error[/]"}


@doctor.callback()
def platforms() -> None:
    """Look at the set-up of a chat platform: what is missing, and what to do."""


@doctor.command()
def slack(
    channel: Annotated[
        list[str] | None,
        typer.Option("--channel", help="a channel that the bot should be in, such as C0123; repeatable"),
    ] = None,
    form: Form = "rich",
) -> None:
    """Tokens, scopes, events, the way in, and the channels that customers are bound to."""
    settings, looks = Settings.load(), adapters.doctor("slack")
    setup = looks.Setup(
        bot_token=_value(settings.slack_bot_token),
        app_token=_value(settings.slack_app_token),
        signing_secret=_value(settings.slack_signing_secret),
        http=settings.slack_mode == "http",
        called_at=f"{settings.public_url.rstrip('/')}/slack/events" if settings.public_url else None,
        channels=[*(channel or ()), *asyncio.run(_bound(settings, "slack"))],
        config_token=_value(settings.slack_config_token),
        app_id=settings.slack_app_id,
        **({"base_url": settings.slack_api_url} if settings.slack_api_url else {}),
    )
    _show(looks.diagnose(setup), form)


@doctor.command()
def telegram(
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="the number of a group that the bot should be in, such as -100123; repeatable"),
    ] = None,
    form: Form = "rich",
) -> None:
    """The token, the clock, privacy mode, the way in, and the groups that customers are bound to."""
    settings, looks = Settings.load(), adapters.doctor("telegram")
    setup = looks.Setup(
        token=_value(settings.telegram_token),
        webhook=settings.telegram_mode == "webhook",
        called_at=f"{settings.public_url.rstrip('/')}/telegram" if settings.public_url else None,
        groups=[*(group or ()), *asyncio.run(_bound(settings, "telegram"))],
        name=settings.telegram_bot_name,
        **({"base_url": f"{settings.telegram_api_url}/bot"} if settings.telegram_api_url else {}),
    )
    _show(looks.diagnose(setup), form)


def _show(findings: AsyncIterator[Finding], form: str) -> None:
    """Print each finding when it comes. Exits with 1 if there is an error among them."""

    async def work() -> list[Finding]:
        found = []
        async for finding in findings:
            found.append(finding)
            if form == "rich":
                out.print(f"{_SHOWN[finding.level]} {escape(finding.message)}", highlight=False, soft_wrap=True)
                if finding.remedy:
                    out.print(f"      {escape(finding.remedy)}", highlight=False, soft_wrap=True)
        return found

    found = asyncio.run(work())
    if form == "json":
        typer.echo(json.dumps([asdict(finding) for finding in found], ensure_ascii=False))
    if any(finding.level == "error" for finding in found):
        raise typer.Exit(1)


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
