"""What a transcript may say, and how it is played: README.md explains it to those who write one.

It must not know how a turn is handled; whatever it checks is what the customer got or what staff can see.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.model import Attachment, Person, Ticket, TicketState, ticket_key
from bot.ports import Classifier
from bot.replay.setup import Agreed, Entry, Fault, Known, Setup, Someone, prepare
from bot.replay.stage import START, Happened, Stage, stage
from bot.storage.consents import ConsentRecord
from tests.acceptance.acting import act, alerts, customer, differences

BURST = timedelta(milliseconds=10)
_CODE = re.compile(r"\b\d{6}\b")

Event = Literal["a person takes over", "handed back"]


def _list(value: object) -> object:
    """One phrase or several; a number is a phrase too."""
    return [str(each) for each in (value if isinstance(value, list) else [value])]


Phrases = Annotated[tuple[str, ...], BeforeValidator(_list)]
_WHAT_HAPPENS = ("customer", "file", "edit", "delete", "presses", "invited", "staff", "does", "event", "after")
_TOGETHER = ({"customer", "file"}, {"staff", "does"})


class ConsentWanted(BaseModel):
    """What the newest consent must say; ``passed_on`` and ``question`` are phrases of it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    given: bool | None = None
    withdrawn: bool | None = None
    purpose: str | None = None
    product: str | None = None
    answer: str | None = None
    condition: str | None = None
    passed_on: str | None = None
    question: str | None = None
    person: str | None = None

    def differences(self, record: ConsentRecord) -> Iterator[str]:
        found = {**{name: getattr(record, name) for name in type(self).model_fields if name != "withdrawn"}}
        found |= {"withdrawn": record.withdrawn_at is not None, "person": record.person.name}
        for name, wanted in self.model_dump(exclude_unset=True).items():
            fits = wanted in found[name] if name in ("passed_on", "question") else wanted == found[name]
            if not fits:
                yield f"{name} of the consent should be {wanted!r}, is {found[name]!r}"


class Turn(BaseModel):
    """One thing that happens, and what must come of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    who: str | None = None
    by: str | None = None
    customer: Phrases = ()
    file: str | None = None
    edit: str | None = None
    to: str | None = None
    delete: str | None = None
    presses: str | None = None
    invited: str | None = None
    staff: str | None = None
    does: str | None = None
    as_: str | None = Field(None, alias="as")
    event: Event | None = None
    after: timedelta | None = None

    bot: Phrases = ()
    not_: Phrases = Field((), alias="not")
    silent: bool = False
    replies: int | None = None
    buttons: Phrases = ()
    no_buttons: Phrases = ()
    decision: Phrases = ()
    answers: str | None = None
    mode: str | None = None
    language: str | None = None
    pending: str | None = None
    ticket: str | None = None
    tickets: int | None = None
    state: TicketState | None = None
    assignee: str | None = None
    rating: int | None = None
    follows: str | None = None
    alerts: tuple[str, ...] | None = None
    refused: str | None = None
    priority: str | None = None
    reason: str | None = None
    topic: str | None = None
    level: str | None = None
    company: str | None = None
    facts: Mapping[str, str] = {}
    due: AwareDatetime | Literal["none"] | None = None
    consent: ConsentWanted | Literal["none"] | None = None
    events: Phrases = ()
    affected: int | None = None
    mail: Phrases = ()

    def told(self) -> str:
        happens = {key: getattr(self, key) for key in ("who", "by", "as_", *_WHAT_HAPPENS, "to")}
        return ", ".join(f"{key}: {value}" for key, value in happens.items() if value)


@dataclass
class Guest:
    """Somebody who writes; ``messages`` maps what they wrote to the identity that the platform gave it."""

    play: Stage
    messages: dict[str, str] = field(default_factory=dict)


@dataclass
class Playing:
    """A dialogue under way. ``told`` is what has been said so far, for whoever reads why it went wrong."""

    play: Stage
    guests: dict[str | None, Guest]
    told: list[str] = field(default_factory=list)
    _invitation: str = ""

    async def turn(self, turn: Turn) -> list[str]:
        """Play one turn; everything that is not as it should be."""
        happens = {key for key in _WHAT_HAPPENS if getattr(turn, key)}
        assert len(happens) == 1 or happens in _TOGETHER, f"one thing happens in a turn, not {happens}"
        if turn.who not in self.guests:
            self.guests[turn.who] = Guest(self.play.beside(Person(str(turn.who), str(turn.who))))
        guest = self.guests[turn.who]
        happened, refusal = await self._happens(turn, guest)
        self.told.append(turn.told())
        self.told += [f"  bot: {said.text} {[button.label for button in said.buttons]}" for said in happened.replies]
        self.told += [f"    ({d['kind']} {d['category']} {d['topic']} {d['confidence']})" for d in happened.decisions]
        self.told += [f"    (staff hear: {alert})" for alert in alerts(happened)]
        seen = turn.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return [
            *_said(turn, happened),
            *_decided(turn, happened),
            *differences(seen, happened, refusal),
            *[difference async for difference in self._stored(turn, happened)],
        ]

    async def _happens(self, turn: Turn, guest: Guest) -> tuple[Happened, str]:
        """What the turn led to, and the sentence with which the desk refused it, if it did."""
        if turn.staff or turn.does:
            refusal = await act(guest.play, turn.does or "reply", turn.staff or "", turn.as_)
            return await guest.play.nothing(), refusal
        return await self._comes(turn, guest), ""

    async def _comes(self, turn: Turn, guest: Guest) -> Happened:
        play = guest.play
        if turn.file:
            attachment = Attachment(turn.file, "application/octet-stream", 1000, f"ref-{turn.file}")
            return await play.customer(*(turn.customer or ("",)), attachments=(attachment,))
        if turn.customer:
            texts = [self._filled_in(text) for text in turn.customer]
            sender = customer(turn.by) if turn.by else None
            identity = str(uuid4())
            if len(texts) == 1:
                guest.messages[texts[0]] = identity
                return await play.customer(texts[0], message_id=identity, sender=sender)
            return await play.customer(*texts, sender=sender)
        if turn.edit:
            return await play.edits(guest.messages[turn.edit], turn.to or "")
        if turn.delete:
            return await play.deletes(guest.messages[turn.delete])
        if turn.presses:
            action = next((b.action for b in reversed(play.shown) if b.label == turn.presses), None)
            assert action, f"there is no button {turn.presses!r}, only {[b.label for b in play.shown]}"
            return await play.press(action)
        if turn.invited:
            return await play.follow(await self._link(turn.invited))
        match turn.event:
            case "a person takes over":
                return await play.take_over()
            case "handed back":
                return await play.hand_back()
        assert turn.after is not None
        return await play.pass_time(turn.after)

    def _filled_in(self, text: str) -> str:
        """``{code}`` is the code of the newest mail, ``{wrong code}`` one that was never sent."""
        if "code}" not in text:
            return text
        assert self.play.mail is not None
        found = _CODE.search(self.play.mail.sent[-1].text) if self.play.mail.sent else None
        assert found, "no code has been mailed"
        wrong = f"{(int(found[0]) + 1) % 1_000_000:06}"
        return text.replace("{code}", found[0]).replace("{wrong code}", wrong)

    async def _link(self, which: str) -> str:
        """``an invitation of Beispiel AG``, ``the same invitation``, ``a forged invitation``."""
        if which == "a forged invitation":
            return "fl-" + 43 * "x"
        if which != "the same invitation":
            wanted = which.removeprefix("an invitation of ")
            async with self.play.app.store.transaction() as session:
                known = {organisation.name: organisation.id for organisation in await session.customers.organisations()}
                self._invitation = await session.customers.invite(known[wanted], self.play.clock())
        return self._invitation

    async def _stored(self, turn: Turn, happened: Happened) -> AsyncIterator[str]:
        """What staff can see of it."""
        conversation, ticket = happened.conversation, happened.ticket
        async with self.play.app.store.snapshot() as session:
            tickets = await session.tickets.all()
            consents = await session.consents.of_conversation(conversation.id) if conversation else ()
            names = {organisation.id: organisation.name for organisation in await session.customers.organisations()}
            (incidents,) = await session.ask(session.incidents.lasting())
            affected = [await session.incidents.affected(incident.id) for incident in incidents]
        for difference in _of_ticket(turn, ticket, names):
            yield difference
        if turn.tickets is not None and len(tickets) != turn.tickets:
            yield f"there should be {turn.tickets} tickets, there are {[t.key for t in tickets]}"
        if turn.consent == "none" and consents:
            yield f"no consent should be recorded, but there is {consents[-1]}"
        elif isinstance(turn.consent, ConsentWanted):
            if not consents:
                yield "a consent should be recorded, but there is none"
            else:
                for difference in turn.consent.differences(consents[-1]):
                    yield difference
        if turn.affected is not None and sum(map(len, affected)) != turn.affected:
            yield f"{turn.affected} should be affected, are {affected}"
        mails = [said.text for said in self.play.mail.sent] if self.play.mail else []
        for phrase in turn.mail:
            if not mails or phrase.casefold() not in mails[-1].casefold():
                yield f"a mail should say: {phrase}; mails: {mails}"


def _said(turn: Turn, happened: Happened) -> Iterator[str]:
    said = "\n\n".join(reply.text for reply in happened.replies)
    if (turn.silent or turn.bot == ("silent",)) and said:
        yield f"should be silent, said: {said}"
    elif turn.bot != ("silent",):
        yield from (f"should say: {phrase}" for phrase in turn.bot if phrase.casefold() not in said.casefold())
    yield from (f"should not say: {phrase}" for phrase in turn.not_ if phrase.casefold() in said.casefold())
    if turn.replies is not None and len(happened.replies) != turn.replies:
        yield f"there should be {turn.replies} replies, there are {len(happened.replies)}"
    labels = [button.label for reply in happened.replies for button in reply.buttons]
    yield from (f"should show the button: {label}" for label in turn.buttons if label not in labels)
    yield from (f"should not show the button: {label}" for label in turn.no_buttons if label in labels)


def _decided(turn: Turn, happened: Happened) -> Iterator[str]:
    conversation = happened.conversation
    kinds = [decision["kind"] for decision in happened.decisions]
    yield from (f"decision should be {kind}, is {kinds}" for kind in turn.decision if kind not in kinds)
    answers = [decision["faq"] for decision in happened.decisions]
    if turn.answers and turn.answers not in answers:
        yield f"should answer {turn.answers}, answered {answers}"
    if turn.mode and (conversation is None or conversation.mode != turn.mode):
        yield f"mode should be {turn.mode}, is {conversation and conversation.mode.value}"
    if turn.language and (conversation is None or conversation.language != turn.language):
        yield f"language should be {turn.language}, is {conversation and conversation.language}"
    pending = conversation.pending.kind if conversation and conversation.pending else "none"
    if turn.pending and pending != turn.pending:
        yield f"the open question should be {turn.pending}, is {pending}"
    kept = [event.kind for event in happened.events]
    yield from (f"should be recorded: {kind}; is {kept}" for kind in turn.events if kind not in kept)


def _of_ticket(turn: Turn, ticket: Ticket | None, names: Mapping[str, str]) -> Iterator[str]:
    key = ticket_key(ticket.number) if ticket else "none"
    if turn.ticket and key != turn.ticket:
        yield f"ticket should be {turn.ticket}, is {key}"
    wanted: dict[str, Any] = {
        name: getattr(turn, name) for name in ("priority", "reason", "topic", "level") if getattr(turn, name)
    }
    found = {name: getattr(ticket, name, None) for name in wanted}
    if turn.company:
        wanted["company"], found["company"] = turn.company, names.get(ticket.organisation or "") if ticket else None
    if turn.due:
        # The clock moves on a little with every burst, so what counts is the minute.
        due = ticket.due_at.replace(second=0, microsecond=0) if ticket and ticket.due_at else "none"
        wanted["due"], found["due"] = turn.due, due
    for name, value in wanted.items():
        if found[name] != value:
            yield f"{name} of the ticket should be {value}, is {found[name]}"
    for name, phrase in turn.facts.items():
        value = (ticket.facts if ticket else {}).get(name, "")
        if phrase.casefold() not in value.casefold():
            yield f"{name} of the ticket should contain {phrase!r}, is {value!r}"


@asynccontextmanager
async def playing(
    dialogue: Mapping[str, Any], settings: Settings, catalogue: Catalogue, classifier: Classifier
) -> AsyncIterator[Playing]:
    """The dialogue, about to begin. With a ``setup`` the bot asks whoever it does not know; without one it asks nobody."""
    given = dialogue.get("setup")
    _known_keys(given or {}, Setup)
    setup = Setup.model_validate(given or {})
    if given:
        settings, catalogue = settings.model_copy(update={"identify": "always"}), setup.catalogue(catalogue)
    now = setup.now if given else START
    async with stage(settings, catalogue=catalogue, classifier=classifier, now=now, burst=BURST, mail=True) as play:
        if given:
            await prepare(play, setup)
        yield Playing(play, {None: Guest(play)})


_LISTS: Mapping[str, type[BaseModel]] = {
    "directory": Entry,
    "contracts": Agreed,
    "tickets": Known,
    "people": Someone,
    "incidents": Fault,
}


def _known_keys(given: Mapping[str, Any], model: type[BaseModel]) -> None:
    """Replayed files may hold more than is read; in a transcript it is a slip."""
    unknown = set(given) - set(model.model_fields)
    assert not unknown, f"no such key in the setup: {sorted(unknown)}; there are {sorted(model.model_fields)}"
    for name in set(given) & set(_LISTS):
        for each in given[name]:
            _known_keys(each, _LISTS[name])
