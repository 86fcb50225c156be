"""The commands for known incidents: whoever reports one is told of it, and hears when it is over.

It must not decide whom an incident concerns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from bot.cli_tickets import Form, Who, at_desk, staff
from bot.screen import screen

if TYPE_CHECKING:
    from bot.desk.staff import Desk

incidents = typer.Typer(no_args_is_help=True, help="Faults that you know of and tell those who report them.")
out = screen()


@incidents.command()
def begin(
    name: Who,
    de: Annotated[str, typer.Option(help="what customers read, in German")],
    en: Annotated[str, typer.Option(help="the same in English")],
    topic: Annotated[list[str] | None, typer.Option(help="reports on this topic are about it; may be repeated")] = None,
    word: Annotated[list[str] | None, typer.Option(help="reports with this word are about it; may be repeated")] = None,
) -> None:
    """Let customers who report it know that it is known."""
    texts: Any = {"de": de, "en": en}
    incident = at_desk(lambda desk: desk.begin_incident(staff(name), texts, topic or (), word or ()))
    out.print(f"incident {incident.id} has begun; end it with: firstline incidents end {incident.id}", highlight=False)


@incidents.command()
def end(number: Annotated[int, typer.Argument(help="number of the incident")], name: Who) -> None:
    """It is over: everybody who was told of it hears that."""
    _, told = at_desk(lambda desk: desk.end_incident(number, staff(name)))
    out.print(f"incident {number} is over; conversations told: {told}", highlight=False)


@incidents.command("list")
def list_(form: Form = "rich") -> None:
    """The incidents that last."""

    async def read(desk: Desk) -> list[dict[str, Any]]:
        async with desk.store.snapshot() as session:
            (lasting,) = await session.ask(session.incidents.lasting())
            return [
                {
                    "number": incident.id,
                    "since": incident.since.isoformat(timespec="seconds"),
                    "topics": sorted(incident.topics),
                    "words": list(incident.words),
                    "text": dict(incident.text),
                    "affected": len(await session.incidents.affected(incident.id)),
                }
                for incident in lasting
            ]

    rows = at_desk(read)
    if form == "json":
        out.print_json(data=rows)
        return
    table = Table("Number", "Since", "Topics", "Words", "Affected", "Text", box=None)
    for row in rows:
        about = (", ".join(row["topics"]), ", ".join(row["words"]))
        table.add_row(
            str(row["number"]), row["since"], *map(escape, about), str(row["affected"]), escape(row["text"]["de"])
        )
    out.print(table)
