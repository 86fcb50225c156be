"""What staff do in a dialogue, and what is then to be seen of the ticket: the part of the transcripts that belongs to the desk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from bot.desk.staff import TicketError
from bot.model import ChatRef, Person, ticket_key
from bot.replay.stage import CUSTOMER, STAFF, Happened, Stage

THREAD = ChatRef("replay", "staff")


def somebody(name: str | None) -> Person:
    return STAFF if name in (None, STAFF.name) else Person(name.casefold(), name)


def customer(name: str | None) -> Person:
    return CUSTOMER if name is None else Person(name.casefold(), name)


async def act(play: Stage, what: str, text: str, name: str | None) -> str:
    """Let ``name`` do it; the sentence of the refusal, empty when it was done."""
    staff, desk = somebody(name), play.app.desk
    try:
        number = await play.case(staff)
        match what:
            case "take":
                await desk.take(number, staff)
            case "reply":
                await desk.reply(number, staff, text)
            case "note":
                await desk.note(number, staff, text)
            case "ask":
                await desk.ask(number, staff, text)
            case "hand back":
                await desk.hand_back(number, staff, text)
            case "resolve":
                await desk.resolve(number, staff, text)
            case "close":
                await desk.close(number, staff)
            case "reopen":
                await desk.reopen(number, staff)
            case "assign":
                await desk.assign(number, staff, somebody(text))
            case "away":
                await desk.away(staff)
            case "here":
                await desk.here(staff)
            case "write":
                await desk.thread_message(number, staff, text, THREAD, str(uuid4()))
            case "prepared":
                await desk.reply_with(number, staff, text)
            case _:
                raise AssertionError(f"staff cannot do this: {what}")
    except TicketError as error:
        return str(error)
    return ""


def alerts(happened: Happened) -> list[str]:
    """The keys of what staff were told, with the rung where it is not the first."""
    told = [event.data for event in happened.events if event.kind == "staff_alert"]
    return [data["key"] if data["step"] == 1 else f"{data['key']} {data['step']}" for data in told]


def differences(turn: dict[str, Any], happened: Happened, refusal: str) -> Iterator[str]:
    if "refused" in turn:
        if turn["refused"] not in refusal:
            yield f"should be refused with {turn['refused']!r}, was: {refusal!r}"
    elif refusal:
        yield f"was refused: {refusal}"
    ticket = happened.ticket
    if "state" in turn and (ticket is None or ticket.state.value != turn["state"]):
        yield f"state of the ticket should be {turn['state']}, is {ticket and ticket.state.value}"
    for key in ("assignee", "rating"):
        if key in turn and (ticket is None or getattr(ticket, key) != turn[key]):
            yield f"{key} of the ticket should be {turn[key]}, is {ticket and getattr(ticket, key)}"
    if "follows" in turn and (
        ticket is None or ticket.follows is None or ticket_key(ticket.follows) != turn["follows"]
    ):
        yield f"the ticket should follow {turn['follows']}, follows {ticket and ticket.follows}"
    if "alerts" in turn and alerts(happened) != turn["alerts"]:
        yield f"staff should hear {turn['alerts']}, hear {alerts(happened)}"
