"""``firstline intents diff``: which messages an edit of the intent files would have decided differently."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel, ConfigDict
from rich.table import Table

from bot.cli_intents.common import Form, in_force, intents, lines_of, out, rows_of
from bot.config import Settings
from bot.errors import FirstlineError
from bot.model import Category, Language

if TYPE_CHECKING:
    from bot.evaluation.comparison import Comparison, Sample


class Row(BaseModel):
    """A message of a JSON lines file; only the text is needed."""

    model_config = ConfigDict(extra="ignore")

    text: str
    id: str | None = None
    lang: Language | None = None
    category: Category | None = None


@intents.command()
def diff(
    old: Annotated[
        Path, typer.Argument(help="intents folder before the edit; if it is the only one, the edited folder")
    ],
    new: Annotated[
        Path | None,
        typer.Argument(help="edited intents folder; without it the first is compared with the one in force"),
    ] = None,
    messages: Annotated[
        Path | None,
        typer.Option(
            help="messages to compare: a text file with one a line, or .jsonl with text, and id, lang, category"
        ),
    ] = None,
    last: Annotated[
        int, typer.Option(min=1, help="without --messages: how many of the newest stored messages to compare")
    ] = 500,
    form: Annotated[Form, typer.Option("--format", help="text or json")] = "text",
    most: Annotated[int, typer.Option(min=0, help="how many of the changes to show")] = 50,
    fail_on_refusals: Annotated[
        bool, typer.Option("--fail-on-refusals", help="exit status 1 if anything covered would now be refused")
    ] = False,
) -> None:
    """Show which messages would be decided differently by an edit, the worst kind of change first.

    OLD and NEW are two folders; with one folder it is what the bot in force would become.
    """
    from bot.evaluation.comparison import compared

    settings = Settings.load()
    samples = _given(messages) if messages else asyncio.run(_stored(settings, last))
    before = in_force(old if new else None)
    after = in_force(new or old)
    found = compared(samples, before, after, settings.default_language)
    if form == "json":
        data = {
            "old": before[0].version,
            "new": after[0].version,
            "messages": found.compared,
            "changed": len(found.changes),
            "refused": found.refused,
            "kinds": found.kinds,
            "changes": [change.data() for change in found.changes],
        }
        typer.echo(json.dumps(data, ensure_ascii=False))
    else:
        out.print(f"old: catalogue {before[0].version}, new: catalogue {after[0].version}", highlight=False)
        _show(found, most)
    if fail_on_refusals and found.refused:
        raise typer.Exit(1)


def _given(file: Path) -> list[Sample]:
    from bot.evaluation.comparison import Sample

    if file.suffix == ".jsonl":
        rows = rows_of(file, Row)
        return [
            Sample(id=row.id or f"{file.name}:{n}", **row.model_dump(exclude={"id"})) for n, row in enumerate(rows, 1)
        ]
    found = [Sample(id=f"{file.name}:{n}", text=line) for n, line in enumerate(lines_of(file), 1) if line.strip()]
    if not found:
        raise FirstlineError(f"{file} holds no message.")
    return found


async def _stored(settings: Settings, last: int) -> list[Sample]:
    """Customers' newest messages, each text once."""
    from bot.bootstrap import open_store
    from bot.evaluation.comparison import Sample

    nothing = FirstlineError("No message has been stored yet. Name a file of messages with --messages.")
    if not settings.database_url and not settings.embedded_database.exists():
        raise nothing
    async with open_store(settings) as store, store.snapshot() as session:
        newest = await session.inbox.newest(last)
    texts = {received.message.text: f"message {received.id}" for received in reversed(newest)}
    if not texts:
        raise nothing
    return [Sample(id=identity, text=text) for text, identity in reversed(texts.items())]


def _show(found: Comparison, most: int) -> None:
    if not found.changes:
        out.print(f"All {found.compared} messages would be decided as before.", highlight=False)
        return
    out.print(f"{len(found.changes)} of {found.compared} messages would be decided differently:", highlight=False)
    table = Table(box=None, show_header=False)
    for kind, count in found.kinds.items():
        table.add_row(str(count), kind)
    out.print(table)
    for change in found.changes[:most]:
        out.print(
            f"\n[{'bold red' if change.refused else 'yellow'}]{change.kind}[/] {change.sample.id}", highlight=False
        )
        for line in (change.sample.text, f"  old: {change.old.words}", f"  new: {change.new.words}"):
            out.print(f"  {line}", markup=False, highlight=False)
    if len(found.changes) > most:
        out.print(f"\n... and {len(found.changes) - most} more; --most shows more of them.", highlight=False)
