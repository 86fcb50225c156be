"""The commands for whoever keeps the customers: import and export the register, look at it, invite people, forget them.

It must not decide what a register means; that is ``bot.agreement.register``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer
from rich.markup import escape
from rich.table import Column, Table

from bot.config import Settings
from bot.errors import FirstlineError
from bot.screen import screen

if TYPE_CHECKING:  # these take long to import, and not every command needs them
    from bot.agreement.customers import Organisation
    from bot.agreement.register import Entry, Problem
    from bot.storage.customers import Known
    from bot.storage.store import Store

customers = typer.Typer(
    no_args_is_help=True, help="The customers: who they are, what their contracts cover, who may speak."
)
out = screen()
Form = Annotated[Literal["rich", "json"], typer.Option("--format", help="rich or json")]
Number = Annotated[str, typer.Argument(help="customer number")]
Result = TypeVar("Result")

ACTOR = "cli"
MOST_SHOWN = 100


@customers.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="CSV file; docs/customers.md describes its columns")],
    form: Form = "rich",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="check and compare, but change nothing")] = False,
) -> None:
    """Take over a register of customers: all of it, or with any problem nothing. The same file twice changes nothing."""
    from bot.desk.customers import import_register
    from bot.desk.customers_overview import figures as figures_of

    entries, problems, note = _read(file)
    if problems:
        _show_problems(file, problems, form)
        raise typer.Exit(1)
    changes = _with_store(lambda store: import_register(store, entries, _now(), actor=ACTOR, dry_run=dry_run))
    figures = figures_of(changes)
    if form == "json":
        typer.echo(json.dumps({"ok": True, "dry_run": dry_run, "note": note, **figures, "problems": []}))
        return
    if note:
        out.print(f"[yellow]note[/] {escape(note)}", highlight=False)
    for change in changes:
        if change.kind != "unchanged":
            out.print(f"{change.kind:8} {escape(change.after.number)}  {escape(change.after.name)}", highlight=False)
    would = "would be " if dry_run else ""
    counts = ", ".join(f"{figures['customers'][kind]} {would}{kind}" for kind in ("new", "changed", "unchanged"))
    out.print(f"customers: {counts}", highlight=False)
    counts = ", ".join(f"{figures['contracts'][kind]} {would}{kind}" for kind in ("new", "changed", "unchanged"))
    out.print(f"contracts: {counts}", highlight=False)
    if bare := figures["without_contract"]:
        out.print(
            f"[yellow]note[/] customers without any contract, who are entitled to nothing: {bare}", highlight=False
        )


@customers.command("list")
def list_(form: Form = "rich") -> None:
    """All customers, with what they are entitled to today."""
    from bot.desk import customers_overview as rows

    now = _now()

    async def read(store: Store) -> tuple[Organisation, ...]:
        async with store.snapshot() as session:
            return await session.customers.organisations()

    organisations = _with_store(read)
    if form == "json":
        typer.echo(json.dumps([rows.customer_row(o, now) for o in organisations], ensure_ascii=False, indent=2))
        return
    table = Table("Number", "Name", "Entitled", "Until", "Products", "E-mail for codes", box=None)
    for organisation in organisations:
        contracts = organisation.in_force(now)
        table.add_row(
            escape(organisation.number),
            escape(organisation.name),
            "yes" if contracts else "[red]no[/]",
            rows.until(contracts or organisation.contracts),
            escape(
                ", ".join(sorted({product for c in contracts for product in c.products}))
                or ("all" if contracts else "")
            ),
            escape(organisation.email or ""),
        )
    out.print(table)


@customers.command()
def show(number: Number, form: Form = "rich") -> None:
    """One customer: contracts, people and channels that are known for it."""
    from bot.desk import customers_overview as rows
    from bot.desk.customers import CustomerError

    async def read(store: Store) -> tuple[Organisation, tuple[Known, ...]]:
        async with store.snapshot() as session:
            organisation = await session.customers.numbered(number)
            if organisation is None:
                raise CustomerError(f"There is no customer {number!r}; `firstline customers list` shows them.")
            return organisation, await session.customers.known(organisation.id)

    organisation, known = _with_store(read)
    row = {**rows.customer_row(organisation, _now()), "known": [rows.known_row(k) for k in known]}
    if form == "json":
        typer.echo(json.dumps(row, ensure_ascii=False, indent=2))
        return
    out.print(f"[bold]{escape(organisation.name)}[/]  {escape(organisation.number)}", highlight=False)
    about = [("e-mail for codes", organisation.email or "none"), ("spoken to with", organisation.address)]
    about += [("contact", f"{c.name} {c.email or ''}".rstrip()) for c in organisation.contacts]
    about += [] if organisation.active else [("active", "no: no customer any more")]
    for name, value in about:
        out.print(f"  {name}: {escape(value)}", highlight=False)
    for contract in row["contracts"]:
        _show_contract(contract)
    if not row["contracts"]:
        out.print("  no contract")
    people = Table("Known", Column("Id", overflow="fold"), "Name", "Level", "How", "Since", box=None)
    for person in row["known"]:
        people.add_row(*(escape(person[key]) for key in ("kind", "id", "name", "level", "how", "since")))
    out.print(people if row["known"] else "  nobody is known for this customer yet")


@customers.command()
def invite(
    number: Number,
    email: Annotated[str | None, typer.Option(help="whom the invitation is for; noted, not mailed")] = None,
    person: Annotated[str, typer.Option(help="name of the person, noted as well")] = "",
    days: Annotated[int, typer.Option(min=1, max=365, help="how long it may be used")] = 14,
    channel: Annotated[
        str | None,
        typer.Option(help="bind a channel instead: slack:C0123, slack:T0123 (a whole team), telegram:-100123"),
    ] = None,
    form: Form = "rich",
) -> None:
    """Invite one person of a customer by a link that works once, or bind a channel in which everybody belongs to it."""
    from bot.desk import customers as desk

    if channel is not None:
        adapter, chat = _address(channel)
        organisation = _with_store(lambda store: desk.bind_channel(store, number, adapter, chat, _now(), actor=ACTOR))
        data: dict[str, object] = {"number": organisation.number, "name": organisation.name, "channel": channel}
        if form == "json":
            typer.echo(json.dumps(data, ensure_ascii=False))
        else:
            out.print(f"Everybody in {channel} now belongs to {organisation.name}.", markup=False, highlight=False)
        return
    if email is not None:
        from bot.agreement import cells

        try:
            email = cells.email(email)
        except cells.CellError as error:
            raise FirstlineError(f"--email: {error.message}. {error.remedy}") from None
    now, lasts = _now(), timedelta(days=days)
    organisation, token = _with_store(
        lambda store: desk.invite(store, number, now, actor=ACTOR, email=email, person=person, lasts=lasts)
    )
    links = _links(Settings.load(), token)
    if form == "json":
        until = (now + lasts).isoformat(timespec="seconds")
        data = {
            "number": organisation.number,
            "name": organisation.name,
            "token": token,
            "until": until,
            "links": links,
        }
        typer.echo(json.dumps(data, ensure_ascii=False))
        return
    out.print(
        f"Invitation for {organisation.name}, for one person, until {now + lasts:%Y-%m-%d %H:%M} UTC:",
        markup=False,
        highlight=False,
    )
    # Whole lines: whoever copies a token must not get a line break with it.
    typer.echo(f"  token     {token}")
    for name, link in links.items():
        typer.echo(f"  {name:9} {link}")
    if "slack" in links:
        typer.echo("            In Slack the person sends the token as a message of its own.")
    if not links:
        typer.echo(
            "  FIRSTLINE_TELEGRAM_BOT_NAME and FIRSTLINE_SLACK_APP_ID add links; the token alone works as a message, too."
        )


@customers.command()
def forget(
    number: Number, who: Annotated[str, typer.Argument(help="id as `customers show` has it, such as telegram:4711")]
) -> None:
    """A person has left, or a channel belongs to somebody else: they are not known for this customer any more."""
    from bot.desk import customers as desk

    adapter, identity = _address(who)
    if not _with_store(lambda store: desk.forget(store, number, adapter, identity, _now(), actor=ACTOR)):
        raise FirstlineError(f"{who} is not known for {number}; `firstline customers show {number}` shows who is.")
    out.print(f"{who} is forgotten", markup=False, highlight=False)


@customers.command()
def erase(
    number: Annotated[str | None, typer.Argument(help="customer number: everybody of this customer")] = None,
    person: Annotated[
        str | None, typer.Option(help="one person, by the id that `customers show` has: telegram:4711")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="tell what there is, but erase nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    form: Form = "rich",
) -> None:
    """Erase what people wrote, were told and sent, for good; docs/data-protection.md says what is kept and why."""
    from bot.bootstrap import open_files
    from bot.desk.erase import Erased, erase_customer, erase_person

    if (number is None) == (person is None):
        raise FirstlineError("Name either a customer by number or one person by --person, such as telegram:4711.")
    files = open_files(Settings.load())

    def work(dry_run: bool) -> Erased:
        async def run(store: Store) -> Erased:
            if person is not None:
                return await erase_person(store, files, *_address(person), _now(), actor=ACTOR, dry_run=dry_run)
            return await erase_customer(store, files, number or "", _now(), actor=ACTOR, dry_run=dry_run)

        return _with_store(run)

    found = work(True)
    told = f"{found.messages} messages in {found.conversations} conversations, {found.files} files, known {found.known} times"
    if not dry_run:
        if not yes:
            typer.confirm(f"Erase {told}? This cannot be undone", abort=True)
        found = work(False)
    if form == "json":
        typer.echo(json.dumps({"dry_run": dry_run, **asdict(found)}))
    else:
        out.print(f"{'would be erased' if dry_run else 'erased'}: {told}", markup=False, highlight=False)


@customers.command()
def export(
    file: Annotated[Path | None, typer.Argument(help="where to; without it, to standard output")] = None,
) -> None:
    """Write the register as a CSV file that spreadsheets open and `customers import` takes."""
    from bot.agreement import register

    async def read(store: Store) -> tuple[Organisation, ...]:
        async with store.snapshot() as session:
            return await session.customers.organisations()

    text = register.write(_with_store(read))
    if file is None:
        typer.echo(text.replace("\r\n", "\n"), nl=False)
        return
    try:
        file.write_text(
            text, encoding="utf-8-sig", newline=""
        )  # Excel takes a file without a byte order mark for Windows-1252
    except OSError as error:
        raise FirstlineError(f"{file} cannot be written: {error}.") from None


# --- what they share ------------------------------------------------------------------------------


def _read(file: Path) -> tuple[tuple[Entry, ...], tuple[Problem, ...], str | None]:
    from bot.agreement import cells, register
    from bot.catalogue.load import load

    try:
        text, note = register.decoded(file.read_bytes())
    except OSError as error:
        raise FirstlineError(f"{file} cannot be read: {error}.") from None
    except cells.CellError as error:
        raise FirstlineError(f"{file}: {error.message}. {error.remedy}") from None
    company = load(Settings.load().intents).company
    return *register.read(text, {**company.third_party, **company.products}), note


def _show_contract(contract: Mapping[str, Any]) -> None:
    state = "in force" if contract["in_force"] else "[red]not in force[/]"
    out.print(f"  [bold]contract {escape(contract['number'])}[/] {state}", highlight=False)
    times = {"": contract["response_hours"], **contract["response_hours_by_priority"]}
    about = {
        "from": contract["valid_from"],
        "until": contract["valid_until"],
        "products": ", ".join(contract["products"]) or "all",
        "modules": ", ".join(contract["modules"]),
        "covers also": ", ".join(contract["covers"]),
        "service hours": " ".join(filter(None, (contract["hours"], contract["region"]))),
        "first response": ", ".join(f"{name} {hours:g} h".strip() for name, hours in times.items() if hours),
    }
    for name, value in about.items():
        if value:
            out.print(f"    {name}: {escape(value)}", highlight=False)


def _show_problems(file: Path, problems: Sequence[Problem], form: str) -> None:
    if form == "json":
        rows = [
            {"file": str(file), "line": p.line, "column": p.column, "message": p.message, "remedy": p.remedy}
            for p in problems
        ]
        typer.echo(json.dumps({"ok": False, "problems": rows}, ensure_ascii=False))
        return
    for problem in problems[:MOST_SHOWN]:
        out.print("[red]error[/]", end=" ")
        out.print(f"{file}:{problem}", highlight=False, markup=False, soft_wrap=True)
    if len(problems) > MOST_SHOWN:
        out.print(f"... and {len(problems) - MOST_SHOWN} more", highlight=False)
    out.print(f"{len(problems)} errors; nothing was imported", highlight=False)


def _links(settings: Settings, token: str) -> dict[str, str]:
    links = {}
    if settings.telegram_bot_name:
        links["telegram"] = f"https://t.me/{settings.telegram_bot_name.removeprefix('@')}?start={token}"
    if settings.slack_app_id:
        links["slack"] = f"https://slack.com/app_redirect?app={settings.slack_app_id}"
    return links


def _address(text: str) -> tuple[str, str]:
    adapter, _, identity = text.partition(":")
    if not adapter.isidentifier() or not identity.strip():
        raise FirstlineError(f"{text!r} names no place; write it like slack:C0123 or telegram:4711.")
    return adapter, identity.strip()


def _now() -> datetime:
    return datetime.now(UTC)


def _with_store(work: Callable[[Store], Awaitable[Result]]) -> Result:
    from bot.bootstrap import open_store

    async def run() -> Result:
        async with open_store(Settings.load()) as store:
            return await work(store)

    return asyncio.run(run())
