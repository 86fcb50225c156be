"""The commands for what went wrong for good: look at it, put it back, give it up; a running bot then does the rest.

It must not decide what may be put back.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

import adapters
from bot.config import Settings
from bot.errors import SettingsError
from bot.ports import CanFind
from bot.screen import screen

if TYPE_CHECKING:  # these take long to import, and not every command needs them
    from bot.desk.letters import DeadLetter, Letters

dead = typer.Typer(
    no_args_is_help=True,
    help="What went wrong for good: messages not handled (in), not sent or perhaps sent (out), files not had (file).",
)
out = screen()
Form = Annotated[Literal["rich", "json"], typer.Option("--format", help="rich or json")]
Number = Annotated[str, typer.Argument(help="number of a dead letter, such as in-5, out-7 or file-3")]
Numbers = Annotated[list[str], typer.Argument(help="numbers of dead letters, such as in-5, out-7 or file-3")]
As = Annotated[str, typer.Option("--as", help="who of the staff you are; it is recorded")]
Result = TypeVar("Result")

SHORT = 60


@dead.command("list")
def list_(form: Form = "rich") -> None:
    """All of them. Exit status 0 also when there are some: `firstline doctor` and the metrics are for alerts."""
    found = _with_letters(lambda letters: letters.all())
    if form == "json":
        typer.echo(json.dumps([_row(letter) for letter in found], ensure_ascii=False, indent=2))
        return
    if not found:
        out.print("Nothing has gone wrong for good.")
        return
    table = Table("Number", "State", "Since (UTC)", "Chat", "Ticket", "Reason", "Text", box=None)
    for letter in found:
        since = f"{letter.since:%Y-%m-%d %H:%M}"
        cells = (letter.number, letter.state, since, letter.chat, letter.ticket or "")
        table.add_row(*map(escape, (*cells, _short(letter.reason), _short(letter.text))))
    out.print(table)


@dead.command()
def show(number: Number, form: Form = "rich") -> None:
    """One of them with its whole text and all that is known of the reason."""
    letter = _with_letters(lambda letters: letters.one(number))
    if form == "json":
        typer.echo(json.dumps(_row(letter), ensure_ascii=False, indent=2))
        return
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _row(letter).items():
        if value not in (None, "") and name not in ("text", "error"):
            table.add_row(f"[dim]{name}[/]", escape(str(value)))
    out.print(table)
    for name, value in (("text", letter.text), ("error", letter.error.strip())):
        if value:
            out.print(f"\n[dim]{name}[/]")
            out.print(value, markup=False, highlight=False, soft_wrap=True)


@dead.command()
def retry(
    numbers: Numbers,
    as_: As = "cli",
    again: Annotated[
        bool, typer.Option("--again", help="send it even though it may have arrived and the platform cannot be asked")
    ] = False,
) -> None:
    """Let them be handled, sent or fetched anew by the running bot, each in the place that it had in its chat."""

    async def retried(letters: Letters) -> None:
        for number in numbers:
            await letters.retry(number, actor=_actor(as_), again=again)
            out.print(f"{number} is tried anew by the running bot", highlight=False, markup=False)

    _with_letters(retried)


@dead.command()
def drop(numbers: Numbers, as_: As = "cli") -> None:
    """Give them up: they stay with the talk that they belong to, and are not listed any more."""

    async def dropped(letters: Letters) -> None:
        for number in numbers:
            await letters.drop(number, actor=_actor(as_))
            out.print(f"{number} is given up", highlight=False, markup=False)

    _with_letters(dropped)


def _row(letter: DeadLetter) -> dict[str, Any]:
    return {**asdict(letter), "since": letter.since.isoformat(timespec="seconds")}


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHORT else f"{line[: SHORT - 1]}…"


def _actor(name: str) -> str:
    return name if name == "cli" else f"staff:{name}"


def _askable(adapter: str) -> bool:
    try:
        made = adapters.load(adapter)
    except SettingsError:
        return False
    return isinstance(made, type) and issubclass(made, CanFind)


def _with_letters(work: Callable[[Letters], Awaitable[Result]]) -> Result:
    from bot.bootstrap import open_store
    from bot.desk.letters import Letters

    async def done() -> Result:
        async with open_store(Settings.load()) as store:
            return await work(Letters(store, lambda: datetime.now(UTC), _askable))

    return asyncio.run(done())
