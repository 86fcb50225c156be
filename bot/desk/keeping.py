"""What staff put right about a ticket: priority, category, what the customer may read, links, and what is passed on to others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.desk.case import Office, TicketError
from bot.model import Author, Category, Mode, Person, Priority, Ticket, TicketState, ticket_key
from bot.storage.consents import ConsentRecord


@dataclass(frozen=True, slots=True)
class Forwarded:
    """What may be passed on to ``recipient``, to the letter, and the words of the consent that permits it."""

    ticket: str
    recipient: str
    passed_on: str
    person: str
    organisation: str | None
    condition: str | None


class Keeping(Office):
    async def prioritise(self, number: int, staff: Person, priority: Priority) -> Ticket:
        async with self._case(number) as case:
            before = case.ticket.priority
            if before is not priority:
                await self._save(case, replace(case.ticket, priority=priority))
                await self._event(case, "ticket_prioritised", staff, {"before": before.value, "after": priority.value})
            return case.ticket

    async def correct(self, number: int, staff: Person, category: Category, topic: str | None = None) -> Ticket:
        """What the request really was. Its words with this label become a candidate for the examples.

        Raises TicketError for a topic that the intent files do not have, or have under another category.
        """
        known = self.catalogue().topics.get(topic) if topic is not None else None
        if topic is not None and known is None:
            raise TicketError(f"There is no topic {topic!r} in the intent files.")
        if known is not None and known.category is not category:
            raise TicketError(f"The topic {topic} belongs to {known.category.value}, not to {category.value}.")
        async with self._case(number) as case:
            was = {"category": case.ticket.category, "topic": case.ticket.topic}
            await self._save(case, replace(case.ticket, category=category, topic=topic))
            now = {"category": category, "topic": topic}
            await self._event(case, "ticket_corrected", staff, {"before": was, "after": now})
            text = case.ticket.facts.get("text", "")
            if text:
                candidate = {"text": text, "language": case.conversation.language, **now, "was": was}
                events = await case.session.events.of_ticket(number)
                opened = next((e.correlation for e in events if e.kind == "ticket_opened"), None)
                # With the message that it is from, it is forgotten when its writer is erased.
                await self._event(case, "example_candidate", staff, candidate, correlation=opened)
            return case.ticket

    async def progress(self, number: int, staff: Person, text: str | None) -> Ticket:
        """What the customer may read of how it stands; None: only the state."""
        async with self._case(number) as case:
            await self._save(case, replace(case.ticket, progress=text or None))
            await self._event(case, "ticket_progress", staff, {"text": text or ""})
            return case.ticket

    async def link(self, number: int, staff: Person, follows: int) -> Ticket:
        """The ticket goes on with an older one. Staff see that, customers do not. Raises TicketError."""
        if number == follows:
            raise TicketError("A ticket cannot follow itself.")
        async with self._case(number) as case:
            if await case.session.tickets.get(follows) is None:
                raise TicketError(f"There is no ticket {ticket_key(follows)}.")
            await self._save(case, replace(case.ticket, follows=follows))
            await self._event(case, "ticket_linked", staff, {"follows": ticket_key(follows)})
            return case.ticket

    async def merge(self, number: int, staff: Person, into: int) -> Ticket:
        """The ticket becomes a part of another one of the same conversation, which is returned; its customer is told.

        Raises TicketError when they are of different conversations (whoever is in one of them would not hear any more), or somebody
        else has one of them.
        """
        async with self._case(number) as case:
            part, target = case.ticket, await case.session.tickets.get(into)
            if target is None:
                raise TicketError(f"There is no ticket {ticket_key(into)}.")
            if into == number or target.conversation_id != part.conversation_id:
                raise TicketError(
                    f"{part.key} and {target.key} cannot be merged: only tickets of the same chat can. Link them instead."
                )
            if not part.open or not target.open:
                done = part if not part.open else target
                raise TicketError(f"{done.key} is {done.state.value} already.")
            for ticket in (part, target):
                if ticket.owner is not None and ticket.owner.id != staff.id:
                    raise TicketError(f"{ticket.key} is with {ticket.owner.name}.")
            if target.owner is None and part.owner is not None:
                target = replace(target, state=TicketState.TAKEN, assignee=staff.name, assignee_id=staff.id)
                await self.watch.taken(case.session, into)
            words = "\n".join(t for t in (target.facts.get("text", ""), part.facts.get("text", "")) if t)
            facts = {**part.facts, **target.facts, **({"text": words} if words else {})}
            await case.session.tickets.save(replace(target, facts=facts))
            now = self.clock()
            await self._save(case, replace(part, state=TicketState.CLOSED, merged_into=into, resolved_at=now))
            await self.watch.end(case.session, number)
            await self._event(case, "ticket_merged", staff, {"into": target.key})
            if case.conversation.ticket == number:
                await self._save_conversation(case, replace(case.conversation, ticket=into))
            case.ticket = replace(target, facts=facts, version=target.version + 1)
            await self._event(case, "ticket_merged", staff, {"part": part.key})
            await self._notice(case, "staff.merged", old=part.key)
            return case.ticket

    async def forward(self, number: int, staff: Person, recipient: str, *, condition_met: bool = False) -> Forwarded:
        """Record that the request is passed on to ``recipient``, and tell the customer; what may be passed on is returned.

        Raises TicketError without a consent to forwarding that is in force, or when the customer bound it to a condition and
        nobody says that it is met.
        """
        async with self._case(number) as case:
            consents = await case.session.consents.of_ticket(number)
            consent = next((c for c in reversed(consents) if _permits(c)), None)
            if consent is None:
                raise TicketError(
                    f"Nothing of {case.ticket.key} may be passed on: there is no consent of the customer to it in force."
                )
            if consent.condition and not condition_met:
                raise TicketError(f"The customer has consented on a condition; see that it is met: {consent.condition}")
            name = None
            if consent.organisation is not None:
                organisation = await case.session.customers.get(consent.organisation)
                name = organisation.name if organisation else None
            passed = Forwarded(
                case.ticket.key, recipient, consent.passed_on, consent.person.name, name, consent.condition
            )
            await self._event(
                case,
                "forwarded",
                staff,
                {
                    "recipient": recipient,
                    "passed_on": passed.passed_on,
                    "person": passed.person,
                    "organisation": passed.organisation,
                    "condition": passed.condition,
                    "consented_at": consent.at.isoformat(),
                    "answer": consent.answer,
                },
            )
            # The conversation is written as well, so that a withdrawal that was decided meanwhile is decided anew.
            await self._save_conversation(case, case.conversation)
            author = Author.PERSON if case.conversation.mode is Mode.HUMAN else Author.NOTICE
            await self._say(case, await self._worded(case, "staff.forwarded", recipient=recipient), author)
            return passed


def _permits(consent: ConsentRecord) -> bool:
    return consent.given and consent.withdrawn_at is None and consent.purpose == "forward"
