"""The command line: what people type, turned into calls of the composition root and printed.

It must not hold logic of its own: what it shows comes from below.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from bot import __version__, logs
from bot.cli_backup import backup, restore
from bot.cli_customers import customers
from bot.cli_dead import dead
from bot.cli_doctor import doctor
from bot.cli_files import files
from bot.cli_incidents import incidents
from bot.cli_intents import intents
from bot.cli_tickets import tickets
from bot.config import Settings
from bot.errors import FirstlineError
from bot.screen import screen

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="A first-line support bot."
)
db = typer.Typer(no_args_is_help=True, help="The database: its version and its migrations.")
app.add_typer(intents, name="intents")
app.add_typer(customers, name="customers")
app.add_typer(doctor, name="doctor")
app.add_typer(db, name="db")
app.add_typer(files, name="files")
app.add_typer(tickets, name="tickets")
app.add_typer(incidents, name="incidents")
app.add_typer(dead, name="dead")
app.command()(backup)
app.command()(restore)

out = screen()
Form = Annotated[str, typer.Option("--format", help="auto, rich, plain or json")]


def main() -> None:
    """The console script: errors that are meant for people are shown as a sentence, with exit status 1."""
    try:
        app()
    except FirstlineError as error:
        screen(stderr=True).print(f"[bold red]error:[/] {logs.redacted(str(error))}", highlight=False, markup=True)
        raise SystemExit(1) from None


def version(show: bool) -> None:
    if show:
        out.print(f"firstline {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A first-line support bot for maintenance customers."""


@app.command()
def run(
    roles: Annotated[
        str | None,
        typer.Option(help="Parts of the work, as in intake,worker,delivery; else FIRSTLINE_ROLES, else all."),
    ] = None,
) -> None:
    """Run the chat adapters named in FIRSTLINE_ADAPTERS until stopped."""
    from bot.bootstrap import build
    from bot.errors import SettingsError

    settings = Settings.load(**({} if roles is None else {"roles": roles}))
    logs.configure(settings.log_format, settings.log_level, settings.secrets)
    if not settings.adapter_names:
        raise SettingsError(
            "No chat adapter is set. Set FIRSTLINE_ADAPTERS=telegram or slack with their tokens (see README.md), "
            "or try the bot without any account: `firstline chat`."
        )

    async def work() -> None:
        async with build(settings) as application:
            _collect_seldom()
            await application.run(settings.heartbeat)

    _do(work())


def _collect_seldom() -> None:
    """Of what there is at the start next to nothing is ever thrown away, and much of it is looked through for each few messages."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@app.command()
def health() -> None:
    """Exit with 0 if `firstline run` has given a sign of life within the last minute, else with 1."""
    try:
        age = time.time() - Settings.load().heartbeat.stat().st_mtime
    except FileNotFoundError:
        raise FirstlineError("No `firstline run` has given a sign of life in this data folder.") from None
    if age > 60:
        raise FirstlineError(f"The last sign of life is {age:.0f} seconds old.")
    out.print(f"alive {age:.0f} seconds ago", highlight=False)


@app.command()
def chat(
    form: Form = "auto",
    conversation: Annotated[
        str | None, typer.Option("--as", help="Name of a conversation to go on with; else a new one.")
    ] = None,
) -> None:
    """Talk to the bot in the terminal, or pipe in a transcript: one line, one message."""
    from adapters.terminal import Format, TerminalAdapter
    from bot.bootstrap import build, mail

    if form not in ("auto", "rich", "plain", "json"):
        raise typer.BadParameter("--format takes auto, rich, plain or json")
    # Lines come one by one and are waited for, so there is no burst to gather; the log would only disturb.
    quiet = {} if "FIRSTLINE_LOG_LEVEL" in os.environ else {"log_level": "error"}
    settings = Settings.load(burst_seconds=0, **quiet)
    logs.configure(settings.log_format, settings.log_level, settings.secrets)
    typed = sys.stdin.isatty()
    chosen = cast("Format", form if form != "auto" else "rich" if typed and sys.stdout.isatty() else "plain")

    async def work() -> None:
        # What is said here concerns no other process, and this one must not take work from those that run beside it.
        async with build(settings, adapters=mail(settings), shared=False) as application:
            settings.data.mkdir(parents=True, exist_ok=True)
            terminal = TerminalAdapter(
                answered=application.engine.settled,
                conversation=conversation,
                form=chosen,
                source=None if typed else sys.stdin,
                history=settings.data / "history",
            )
            application.adapters[terminal.name] = terminal
            if chosen == "rich":
                _welcome(application.knowledge.in_force.version)
            async with application.working():
                await terminal.run(application.receiver)

    _do(work())


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="dialogues, JSON lines")],
    _form: Annotated[Literal["json"], typer.Option("--format", help="json is the only one")] = "json",
) -> None:
    """Play dialogues through the real core on fresh instances in memory; one JSON line a turn."""
    from bot.cli_intents import in_force, rows_of
    from bot.replay.played import Dialogue, replayed

    dialogues = rows_of(file, Dialogue)
    settings = Settings.load()
    logs.configure(settings.log_format, "error", settings.secrets)
    catalogue, classifier = in_force()

    async def work() -> None:
        for dialogue in dialogues:
            async for line in replayed(dialogue, settings, catalogue, classifier):
                typer.echo(json.dumps(line, ensure_ascii=False))

    _do(work())


def _welcome(catalogue: str) -> None:
    out.print()
    out.print(f"  [bold]Firstline[/] {__version__}  [dim]catalogue {catalogue}[/]", highlight=False)
    out.print(
        "  [dim]Schreiben Sie wie ein Kunde, auf Deutsch oder Englisch. Write like a customer, in German or English.[/]"
    )
    out.print("  [dim]A number presses a button. /new starts over, /quit ends.[/]", highlight=False)
    out.print()


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the database to the version that this program needs."""
    from bot.storage import migrate
    from bot.storage.database import Database

    async def work() -> None:
        database = Database(Settings.load().resolved_database_url)
        try:
            before = await migrate.current(database)
            await migrate.upgrade(database)
            out.print(f"from {before or 'empty'} to {await migrate.current(database)}", highlight=False)
        finally:
            await database.close()

    _do(work())


@db.command("version")
def db_version() -> None:
    """Show the version of the database and the one that this program needs."""
    from bot.storage import migrate
    from bot.storage.database import Database

    async def work() -> None:
        database = Database(Settings.load().resolved_database_url)
        try:
            out.print(
                f"database {await migrate.current(database) or 'empty'}, needed {migrate.newest()}", highlight=False
            )
        finally:
            await database.close()

    _do(work())


def _do(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BaseExceptionGroup as group:
        # Task groups wrap what went wrong; people want the one sentence in it.
        meant = group.subgroup(FirstlineError)
        if meant is None:
            raise
        error: BaseException = meant
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
