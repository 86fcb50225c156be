"""The commands of a desk without any chat: look at tickets, take them, answer, note, resolve. They write beside a running bot.

What is said to customers is sent by `firstline run`. It must not decide anything; that is ``bot.desk``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

from bot.config import Settings
from bot.model import Category, Person, Priority, Ticket
from bot.screen import screen

if TYPE_CHECKING:  # it takes long to import, and not every command needs it
    from bot.desk.staff import Desk

tickets = typer.Typer(no_args_is_help=True, help="The desk: tickets, and what people do with them.")
out = screen()

Form = Annotated[Literal["rich", "json"], typer.Option("--format", help="rich or json")]
Key = Annotated[str, typer.Argument(metavar="TICKET", help="HD-000123, or 123")]
Who = Annotated[str, typer.Option("--as", metavar="NAME", help="who acts: the name that customers read")]
Text = Annotated[str, typer.Argument(help="what is said")]
Result = TypeVar("Result")


def number_of(key: str) -> int:
    """Raises typer.BadParameter for what is no ticket."""
    found = re.fullmatch(r"\s*(?:HD[-\s]?)?(\d{1,12})\s*", key, re.IGNORECASE)
    if found is None:
        raise typer.BadParameter(f"{key!r} is no ticket; write HD-000123, or 123.")
    return int(found[1])


def staff(name: str) -> Person:
    if not name.strip():
        raise typer.BadParameter("--as needs a name: customers read who answers them.")
    listed = Settings.load().staff_file
    if listed is not None:
        from bot.room.roster import read_roster

        if (person := read_roster(listed).named(name)) is not None:
            return person
    return Person(f"cli:{' '.join(name.split()).casefold()}", " ".join(name.split()))


def at_desk(work: Callable[[Desk], Awaitable[Result]]) -> Result:
    from bot.bootstrap import open_desk

    async def run() -> Result:
        async with open_desk(Settings.load()) as desk:
            return await work(desk)

    return asyncio.run(run())


# --- to look at -------------------------------------------------------------------------------------------


@tickets.command("list")
def list_(
    form: Form = "rich", only_open: Annotated[bool, typer.Option("--open", help="only those not done")] = False
) -> None:
    """All tickets, newest last."""
    from bot.desk.overview import tickets_overview

    rows = at_desk(lambda desk: tickets_overview(desk.store))
    rows = [row for row in rows if not only_open or row["state"] not in ("resolved", "closed")]
    if form == "json":
        out.print_json(data=rows)
        return
    columns = ("key", "state", "priority", "owner", "reason", "category", "opened", "subject")
    table = Table("Ticket", *(column.title() for column in columns[1:]), box=None)
    for row in rows:
        table.add_row(*(escape(str(row[column] or "")) for column in columns))
    out.print(table)


@tickets.command()
def show(key: Key, form: Form = "rich") -> None:
    """A ticket as staff see it, with the whole talk."""
    from bot.desk.cards import staff_card
    from bot.desk.view import view_of

    async def read(desk: Desk) -> Any:
        async with desk.store.snapshot() as session:
            view = await view_of(session, number_of(key), desk.clock())
        return staff_card(view, desk.catalogue(), desk.habits.staff_language), view.talk

    card, talk = at_desk(read)
    if form == "json":
        out.print_json(data={"card": asdict(card), "talk": [_said(line) for line in talk]})
        return
    out.print(f"[bold]{escape(card.title)}[/]", highlight=False)
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for field in card.fields:
        table.add_row(f"[dim]{escape(field.label)}[/]", escape(field.value))
    out.print(table)
    out.print(Markdown(card.body))
    out.print()
    for line in talk:
        colour = {"customer": "cyan", "bot": "dim", "staff": "green", "note": "yellow"}[line.speaker]
        mark = f" [red]({escape(line.mark)})[/]" if line.mark else ""
        kind = " (note)" if line.speaker == "note" else ""
        head = f"{line.at.isoformat(timespec='seconds')} {escape(line.name)}{kind}"
        out.print(f"[{colour}]{head}[/]{mark}\n{escape(line.text)}", highlight=False)


@tickets.command()
def export(key: Key) -> None:
    """Everything that is known of a ticket, as JSON."""
    from bot.desk.export import exported

    out.print_json(data=at_desk(lambda desk: exported(desk.store, number_of(key), desk.clock())))


@tickets.command()
def audit(key: Key, form: Form = "rich") -> None:
    """Who said what to whom about a ticket, when, and on what consent."""
    from bot.desk.audit import audit as audit_of

    async def read(desk: Desk) -> Any:
        async with desk.store.snapshot() as session:
            return await audit_of(session, number_of(key))

    entries = at_desk(read)
    rows = [asdict(entry) | {"at": entry.at.isoformat(timespec="seconds")} for entry in entries]
    if form == "json":
        out.print_json(data=rows)
        return
    table = Table("When", "What", "Who", "To", "Words", "Mark", box=None)
    for row in rows:
        table.add_row(*(escape(row[column]) for column in ("at", "kind", "who", "to", "text", "mark")))
    out.print(table)


# --- to talk ------------------------------------------------------------------------------------------------


@tickets.command()
def take(key: Key, name: Who) -> None:
    """Become the owner: the bot falls silent, the customer reads who helps."""
    _tell(at_desk(lambda desk: desk.take(number_of(key), staff(name))))


@tickets.command()
def reply(
    key: Key,
    text: Text,
    name: Who,
    file: Annotated[list[int] | None, typer.Option(help="number of a file of the ticket; may be repeated")] = None,
) -> None:
    """Answer the customer; taking the ticket over comes with it. It can be taken back for some seconds."""

    async def act(desk: Desk) -> tuple[Ticket, timedelta]:
        return await desk.reply(number_of(key), staff(name), text, tuple(file or ())), desk.habits.undo

    ticket, undo = at_desk(act)
    _tell(ticket, f"goes out in {undo.total_seconds():.0f} s; until then: firstline tickets undo {ticket.key}")


@tickets.command()
def prepared(
    key: Key, canned: Annotated[str, typer.Argument(help="its key below canned in the texts")], name: Who
) -> None:
    """Answer with a prepared text, in the customer's language."""
    _tell(at_desk(lambda desk: desk.reply_with(number_of(key), staff(name), canned)))


@tickets.command()
def undo(key: Key, name: Who) -> None:
    """Take your last reply back before it is sent."""
    out.print(f"taken back: {escape(at_desk(lambda desk: desk.undo(number_of(key), staff(name))))}", highlight=False)


@tickets.command()
def note(key: Key, text: Text, name: Who) -> None:
    """Write something down for staff; customers never see it."""
    at_desk(lambda desk: desk.note(number_of(key), staff(name), text))
    out.print("noted", highlight=False)


@tickets.command()
def ask(key: Key, text: Text, name: Who) -> None:
    """Ask the customer something and wait for the answer."""
    _tell(at_desk(lambda desk: desk.ask(number_of(key), staff(name), text)))


@tickets.command("hand-back")
def hand_back(
    key: Key, name: Who, text: Annotated[str, typer.Argument(help="said to the customer first")] = ""
) -> None:
    """Give the word back to the bot; the ticket stays open."""
    _tell(at_desk(lambda desk: desk.hand_back(number_of(key), staff(name), text)))


@tickets.command()
def resolve(key: Key, name: Who, text: Annotated[str, typer.Argument(help="said to the customer first")] = "") -> None:
    """The matter is settled: the customer is asked whether it is."""
    _tell(at_desk(lambda desk: desk.resolve(number_of(key), staff(name), text)))


@tickets.command()
def reopen(key: Key, name: Who) -> None:
    """Go on with a ticket that was resolved or closed."""
    _tell(at_desk(lambda desk: desk.reopen(number_of(key), staff(name))))


@tickets.command()
def close(key: Key, name: Who) -> None:
    """End a ticket without a word to the customer."""
    _tell(at_desk(lambda desk: desk.close(number_of(key), staff(name))))


# --- to put right ---------------------------------------------------------------------------------------------


@tickets.command()
def assign(key: Key, to: Annotated[str, typer.Argument(help="name of the colleague")], name: Who) -> None:
    """Ask a colleague to take it; one that is owned passes to them at once."""
    _tell(at_desk(lambda desk: desk.assign(number_of(key), staff(name), staff(to))))


@tickets.command()
def prioritise(key: Key, priority: Priority, name: Who) -> None:
    """Set the priority: low, normal, high."""
    _tell(at_desk(lambda desk: desk.prioritise(number_of(key), staff(name), priority)))


@tickets.command()
def correct(
    key: Key,
    category: Category,
    name: Who,
    topic: Annotated[str | None, typer.Option(help="id of the topic")] = None,
) -> None:
    """Say what the request really was; its words become a candidate for the examples."""
    _tell(at_desk(lambda desk: desk.correct(number_of(key), staff(name), category, topic)))


@tickets.command()
def progress(
    key: Key, name: Who, text: Annotated[str, typer.Argument(help="empty: nothing but the state")] = ""
) -> None:
    """Put into words how it stands, for the customer to read when asking for it."""
    _tell(at_desk(lambda desk: desk.progress(number_of(key), staff(name), text)))


@tickets.command()
def link(key: Key, follows: Annotated[str, typer.Argument(help="the older ticket")], name: Who) -> None:
    """Note that a ticket goes on with an older one."""
    _tell(at_desk(lambda desk: desk.link(number_of(key), staff(name), number_of(follows))))


@tickets.command()
def merge(key: Key, into: Annotated[str, typer.Argument(help="the ticket that goes on")], name: Who) -> None:
    """Make a ticket a part of another one of the same chat."""
    _tell(at_desk(lambda desk: desk.merge(number_of(key), staff(name), number_of(into))))


@tickets.command()
def forward(
    key: Key,
    recipient: Annotated[str, typer.Argument(help="to whom it is passed on")],
    name: Who,
    condition_met: Annotated[bool, typer.Option("--condition-met", help="the customer's condition is met")] = False,
    form: Form = "rich",
) -> None:
    """Record that a request is passed on, and show exactly what may be: only with the customer's consent."""
    passed = at_desk(lambda desk: desk.forward(number_of(key), staff(name), recipient, condition_met=condition_met))
    if form == "json":
        out.print_json(data=asdict(passed))
        return
    for label, value in asdict(passed).items():
        if value:
            out.print(f"[dim]{label}[/] {escape(value)}", highlight=False)


# --- who is there -------------------------------------------------------------------------------------------------


@tickets.command()
def away(
    name: Who, until: Annotated[datetime | None, typer.Option(help="local time, as in 2026-03-09T08:00")] = None
) -> None:
    """Go; your tickets are offered to the others."""
    back_at = until.astimezone() if until is not None else None
    offered = at_desk(lambda desk: desk.away(staff(name), back_at))
    out.print(f"away; offered to others: {', '.join(offered) or 'nothing'}", highlight=False)


@tickets.command()
def here(name: Who) -> None:
    """Be there again."""
    at_desk(lambda desk: desk.here(staff(name)))
    out.print("here", highlight=False)


@tickets.command("staff")
def staff_(form: Form = "rich") -> None:
    """Everybody who has acted so far, with whether they are there."""

    async def read(desk: Desk) -> list[dict[str, Any]]:
        now = desk.clock()
        return [
            {
                "name": member.person.name,
                "here": member.here(now),
                "back_at": member.back_at and member.back_at.isoformat(timespec="minutes"),
            }
            for member in await desk.colleagues()
        ]

    rows = at_desk(read)
    if form == "json":
        out.print_json(data=rows)
        return
    for row in rows:
        back = f", back at {row['back_at']}" if row["back_at"] and not row["here"] else ""
        out.print(f"{escape(row['name'])}: {'here' if row['here'] else 'away'}{back}", highlight=False)


def _tell(ticket: Ticket, more: str = "") -> None:
    owner = f", {ticket.assignee}" if ticket.assignee else ""
    out.print(escape(f"{ticket.key} {ticket.state.value}{owner}"), highlight=False)
    if more:
        out.print(f"[dim]{escape(more)}[/]", highlight=False)


def _said(line: Any) -> dict[str, Any]:
    return {**asdict(line), "at": line.at.isoformat(timespec="seconds")}
