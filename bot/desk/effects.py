"""Carries out what was decided: tickets, consents, identities, timers, incidents. All in the caller's one transaction.

It must not decide anything, nor say anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.agreement.customers import Standing
from bot.catalogue.catalogue import Catalogue
from bot.desk.returning import Returning
from bot.desk.watch import Watch, concerned
from bot.dialogue.asked import overdue
from bot.dialogue.decisions import (
    AskConsent,
    Confirm,
    Consent,
    Decision,
    Identified,
    OpenTicket,
    Rate,
    Refuse,
    Relay,
    Reopen,
    Settle,
    TellIncident,
    Withdraw,
    needs_ticket,
)
from bot.dialogue.facts import facts
from bot.dialogue.situation import Situation
from bot.dialogue.speak import question
from bot.dialogue.turn import Outcome
from bot.dialogue.voice import Voice
from bot.files.names import one_line
from bot.model import Conversation, Person, Priority, StaffAlert, Ticket, TicketState, ticket_key
from bot.storage.consents import ConsentRecord
from bot.storage.inbox import Received
from bot.storage.store import Session
from bot.storage.tickets import NewTicket
from bot.storage.timers import Timer

SUBJECT_LENGTH = 120
PENDING = "pending"
"""The kind of timer of a question that waits for its answer."""


def pending_key(conversation_id: str) -> str:
    return f"{PENDING}:{conversation_id}"


@dataclass(frozen=True, slots=True)
class Done:
    """The conversation as it is to be saved, and by index the key of the ticket that each decision concerns."""

    conversation: Conversation
    tickets: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Effects:
    """What follows from the decisions on one ``turn``."""

    session: Session
    catalogue: Catalogue
    situation: Situation
    turn: Sequence[Received]
    now: datetime
    watch: Watch = field(default_factory=Watch)

    @property
    def returning(self) -> Returning:
        attention = self.catalogue.agreement.attention
        return Returning(self.session, self.watch, self.situation, self.now, self.turn[0], attention)

    @property
    def person(self) -> Person:
        return self.turn[0].message.sender

    def _standing(self, outcome: Outcome) -> Standing:
        """Of whoever wrote this turn, which in a channel need not be who wrote before: their ticket is their organisation's."""
        known = next((d for d in outcome.decisions if isinstance(d, Identified)), None)
        return Standing(known.level, known.organisation) if known is not None else self.situation.standing

    async def carry_out(self, outcome: Outcome) -> Done:
        after, tickets = outcome.conversation, dict[int, str]()
        for index, decision in enumerate(outcome.decisions):
            if needs_ticket(decision):
                ticket = await self._open(after, outcome, index, decision)
                after = replace(after, ticket=ticket.number)
                tickets[index] = ticket.key
            match decision:
                case Identified():
                    await self._identify(after, decision)
                case Refuse(_, consent):
                    await self._record(after, consent, None, self._standing(outcome))
                case Withdraw():
                    await self._withdraw(after, decision)
                case Settle(_, number):
                    await self._settle(number)
                case TellIncident(about, incident):
                    await self.session.incidents.join(incident, after.id, about.text, self.now)
                case AskConsent(_, terms) if after.pending is not None:
                    shown = question(terms, Voice(self.catalogue, outcome.language, address=outcome.address))
                    pending = replace(after.pending, data={**after.pending.data, "question": shown})
                    after = replace(after, pending=pending)
                case Relay(about):
                    await self.returning.heard(after.ticket, about.text)
                case Confirm(_, number):
                    await self.returning.confirmed(number)
                case Rate():
                    await self.returning.rated(decision)
                case Reopen():
                    await self.returning.reopened(after, decision, outcome.respond_by)
            match decision:
                case Confirm(_, number) | Rate(_, number):
                    tickets[index] = ticket_key(number)
                case Reopen(_, ticket):
                    tickets[index] = ticket.key
                case Relay() | Withdraw() | Settle() if after.ticket is not None:
                    tickets[index] = ticket_key(after.ticket)
        await self.watch_question(after)
        return Done(after, tickets)

    async def _open(self, after: Conversation, outcome: Outcome, index: int, decision: Decision) -> Ticket:
        about, standing = decision.about, self._standing(outcome)
        ticket = await self.session.tickets.open(
            NewTicket(
                key=f"{after.id}:{self.turn[0].seq}:{index}",
                conversation_id=after.id,
                reason=decision.reason if isinstance(decision, OpenTicket) else "judge",
                category=about.category,
                topic=about.topic,
                priority=decision.priority if isinstance(decision, OpenTicket) else Priority.NORMAL,
                subject=subject(about.text),
                facts={"text": about.text, **facts(about.text), **files(outcome.files)},
                organisation=standing.organisation.id if standing.organisation else None,
                level=standing.level.value if standing.checked else None,
                person=self.person.id,
                due_at=outcome.respond_by,
                follows=decision.follows if isinstance(decision, OpenTicket) else None,
            ),
            self.now,
        )
        situation = replace(self.situation, standing=standing)
        attention = self.catalogue.agreement.attention
        await self.watch.begin(self.session, ticket, self.now, situation.hours(self.now), attention)
        if isinstance(decision, OpenTicket) and decision.consent is not None:
            await self._record(after, decision.consent, ticket.number, standing)
        await self._event(
            "ticket_opened", ticket.number, {"reason": ticket.reason, "category": about.category, "topic": about.topic}
        )
        await self.watch.alert(self.session, StaffAlert("opened", ticket.number), after.id, self.now)
        return ticket

    async def _identify(self, after: Conversation, decision: Identified) -> None:
        organisation = decision.organisation
        standing = self.situation.standing
        if standing.organisation is None and organisation not in self.situation.choices:
            chat = self.turn[0].message.chat
            await self.session.customers.bind(
                chat.adapter,
                self.person.id,
                organisation.id,
                decision.level,
                self.now,
                person=self.person.name,
                how="stated",
            )
        await self._event("identified", after.ticket, {"organisation": organisation.id, "level": decision.level.value})
        current = self.situation.current
        if current is not None and current.open and current.organisation is None:
            await self.session.tickets.save(replace(current, organisation=organisation.id, level=decision.level.value))

    async def _record(self, after: Conversation, consent: Consent, ticket: int | None, standing: Standing) -> None:
        terms = consent.terms
        await self.session.consents.add(
            ConsentRecord(
                conversation_id=after.id,
                ticket=ticket,
                organisation=standing.organisation.id if standing.organisation else None,
                person=self.person,
                purpose=terms.purpose,
                product=terms.product,
                passed_on=terms.passed_on,
                question=consent.question,
                answer=consent.answer,
                condition=consent.condition,
                given=consent.given,
                agreement=self.catalogue.agreement.version,
                at=self.now,
            )
        )
        kind = "consent_given" if consent.given else "consent_refused"
        data = {"purpose": terms.purpose, "answer": consent.answer, "condition": consent.condition}
        await self._event(kind, ticket, data)

    async def _withdraw(self, after: Conversation, decision: Withdraw) -> None:
        tickets = await self.session.consents.withdraw(after.id, decision.about.text, self.now)
        for ticket in tickets or ((after.ticket,) if after.ticket is not None else ()):
            await self._event("consent_withdrawn", ticket, {"text": decision.about.text})
            found = await self.session.tickets.get(ticket)
            alert = StaffAlert("consent_withdrawn", ticket, to=concerned(found) if found else ())
            await self.watch.alert(self.session, alert, after.id, self.now)

    async def _settle(self, number: int) -> None:
        ticket = await self.session.tickets.get(number)
        if ticket is not None and ticket.open:
            await self.session.tickets.save(replace(ticket, state=TicketState.RESOLVED, resolved_at=self.now))
            await self.watch.end(self.session, number)
            await self._event("ticket_settled", number, {})
            alert = StaffAlert("cancelled", number, to=concerned(ticket))
            await self.watch.alert(self.session, alert, ticket.conversation_id, self.now)

    async def watch_question(self, after: Conversation) -> None:
        """A question about a request is watched, so that the request goes to a person when nobody answers."""
        pending = after.pending
        if pending is not None and overdue(pending) and pending.expires_at is not None:
            await self.session.timers.set(Timer(pending_key(after.id), PENDING, after.id, pending.expires_at))
        else:
            await self.session.timers.cancel(pending_key(after.id))

    async def _event(self, kind: str, ticket: int | None, data: Mapping[str, object]) -> None:
        first = self.turn[0]
        await self.session.events.add(
            kind,
            actor=f"{first.message.chat.adapter}:{self.person.id}" if kind != "ticket_opened" else "bot",
            now=self.now,
            conversation_id=first.conversation_id,
            ticket=ticket,
            correlation=first.correlation,
            data=data,
        )


def subject(text: str) -> str:
    """The first words of a request as the title of its ticket."""
    line = one_line(text)
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1].rsplit(" ", 1)[0] + "…"


def files(names: Sequence[str]) -> dict[str, str]:
    return {"attachments": ", ".join(names)} if names else {}
