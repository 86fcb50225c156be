"""The commands for the files of tickets: see them, save one, put one to a ticket, let a dangerous one pass.

It must not decide what is dangerous, nor send anything.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer
from rich.markup import escape
from rich.table import Table

from bot.config import Settings
from bot.errors import FirstlineError
from bot.model import Person, ticket_key
from bot.screen import screen

if TYPE_CHECKING:  # these take long to import, and not every command needs them
    from bot.desk.files import FileDesk
    from bot.storage.attachments import Filed
    from bot.storage.store import Store

files = typer.Typer(no_args_is_help=True, help="The files of tickets, from customers and staff.")
out = screen()
Form = Annotated[Literal["rich", "json"], typer.Option("--format", help="rich or json")]
Number = Annotated[int, typer.Argument(help="number of the file, as `files list` has it")]
Ticket = Annotated[str, typer.Argument(help="ticket, such as HD-000123")]
As = Annotated[str, typer.Option("--as", help="who of the staff you are; it is recorded")]
Result = TypeVar("Result")

PIECE = 1 << 16


@files.command("list")
def list_(ticket: Ticket, form: Form = "rich") -> None:
    """The files of a ticket, with what became of each."""
    from bot.desk.files import mark

    number = _number(ticket)

    async def read(desk: FileDesk) -> tuple[Filed, ...]:
        async with desk.store.snapshot() as session:
            return await session.attachments.of_ticket(number)

    filed = _with_desk(read)
    if form == "json":
        rows = [{**_row(each), "mark": mark(each)} for each in filed]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table("File", "Name", "From", "Type", "Bytes", "Mark", box=None)
    for each in filed:
        size = "" if each.size is None else f"{each.size:,}"
        marked = f"[red]{escape(mark(each))}[/]" if mark(each) else ""
        kind = escape(each.found or each.told)
        table.add_row(str(each.id), escape(each.name), escape(f"{each.author} {each.person}"), kind, size, marked)
    out.print(table if filed else f"{ticket_key(number)} has no files.")


@files.command()
def save(
    number: Number, target: Annotated[Path, typer.Argument(help="a folder, or a file that does not exist yet")]
) -> None:
    """Save a file; a folder gets it under its own name. Nothing is ever overwritten."""

    async def work(desk: FileDesk) -> tuple[Filed, Path]:
        filed, pieces = await desk.open(number)
        path = target / filed.name if target.is_dir() else target
        try:
            with path.open("xb") as file:
                async for piece in pieces:
                    file.write(piece)
        except OSError as error:
            raise FirstlineError(f"{path} cannot be written: {error.strerror}.") from None
        return filed, path

    filed, path = _with_desk(work)
    out.print(f"{path} ({filed.size:,} bytes)", markup=False, highlight=False)
    if filed.danger:
        out.print(f"[red]This file may do harm: {filed.danger}.[/] Do not open it unless you know what it is.")


@files.command()
def add(ticket: Ticket, file: Annotated[Path, typer.Argument(help="the file")], staff: As) -> None:
    """Put a file to a ticket. It is sent to the customer only with a reply that names it."""
    import mimetypes

    async def pieces() -> AsyncIterator[bytes]:
        try:
            with file.open("rb") as opened:
                while piece := opened.read(PIECE):
                    yield piece
        except OSError as error:
            raise FirstlineError(f"{file} cannot be read: {error.strerror}.") from None

    told = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    number = _with_desk(lambda desk: desk.add(_number(ticket), Person(staff, staff), file.name, told, pieces()))
    out.print(f"file {number}", highlight=False)


@files.command()
def release(number: Number, staff: As) -> None:
    """Decide that a dangerous file may be passed on."""
    filed = _with_desk(lambda desk: desk.release(number, Person(staff, staff)))
    what = "may be passed on now" if filed.held else "needs no release"
    out.print(f"{filed.name} {what}", markup=False, highlight=False)


def _row(filed: Filed) -> dict[str, object]:
    shown = asdict(filed)
    for ours in ("conversation_id", "inbox_id", "ref", "retry_at", "settled_at", "retried_at"):
        del shown[ours]
    return {**shown, "created_at": filed.created_at.isoformat(timespec="seconds")}


def _number(ticket: str) -> int:
    found = re.fullmatch(r"(?i)(?:HD-)?0*(\d{1,15})", ticket.strip())
    if found is None:
        raise FirstlineError(f"{ticket!r} is no ticket; write it like HD-000123.")
    return int(found[1])


def _with_desk(work: Callable[[FileDesk], Awaitable[Result]]) -> Result:
    from bot.bootstrap import open_files, open_store
    from bot.desk.files import FileDesk

    settings = Settings.load()

    async def run() -> Result:
        store: Store
        async with open_store(settings) as store:
            return await work(FileDesk(store, open_files(settings), lambda: datetime.now(UTC), settings.file_bytes))

    return asyncio.run(run())
