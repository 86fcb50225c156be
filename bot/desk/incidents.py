"""Known incidents: begun and ended by staff. Whoever was told of one is told when it is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.desk.case import Office
from bot.desk.saying import address_of, say
from bot.dialogue.speak import notice
from bot.errors import FirstlineError
from bot.model import Author, Conversation, Incident, Language, Mode, Person, StaffAlert


class IncidentError(FirstlineError):
    """There is no such incident."""


class Incidents(Office):
    async def begin_incident(
        self, staff: Person, text: Mapping[Language, str], topics: Sequence[str] = (), words: Sequence[str] = ()
    ) -> Incident:
        """Reports on one of ``topics``, or with one of ``words`` in them, are told of it from now on. Raises IncidentError."""
        unknown = sorted(set(topics) - set(self.catalogue().topics))
        if unknown:
            raise IncidentError(f"The intent files have no topic {', '.join(unknown)}.")
        if not topics and not any(word.strip() for word in words):
            raise IncidentError("An incident needs a topic or a word, or it would concern nobody.")
        now = self.clock()
        async with self.store.transaction() as session:
            incident = await session.incidents.begin(text, topics, words, now)
            data = {"name": staff.name, "incident": incident.id, "text": dict(text)}
            await session.events.add("incident_begun", actor=f"staff:{staff.id}", now=now, data=data)
        return incident

    async def end_incident(self, number: int, staff: Person) -> tuple[Incident, int]:
        """It is over; everybody who was told of it is told so. Returns how many conversations. Raises IncidentError.

        Where a person has the word, the message is theirs to give: it is left to them as an event.
        """
        now, told = self.clock(), 0
        async with self.store.transaction() as session:
            incident = await session.incidents.end(number, now)
            if incident is None:
                raise IncidentError(f"There is no incident {number} that lasts.")
            affected = await session.incidents.affected(number)
            # In the order of their ids, as everywhere where several are locked.
            for conversation_id in sorted(affected):
                conversation = await session.conversations.get(conversation_id, lock=True)
                data = {"name": staff.name, "incident": number}
                await session.events.add(
                    "incident_over",
                    actor=f"staff:{staff.id}",
                    now=now,
                    conversation_id=conversation_id,
                    ticket=conversation.ticket,
                    data=data,
                )
                if conversation.mode is Mode.HUMAN:
                    if conversation.ticket is not None:
                        alert = StaffAlert("incident_over", conversation.ticket, to=_owner(conversation))
                        await self.watch.alert(session, alert, conversation_id, now)
                    continue
                language = conversation.language or self.default_language
                address = await address_of(session, conversation)
                over = notice(
                    self.catalogue(), language, "incident.over", "", address=address, text=incident.text[language]
                )
                await say(
                    session,
                    self.engine,
                    self.adapters,
                    conversation,
                    over,
                    author=Author.NOTICE,
                    key=f"{conversation_id}:incident:{number}",
                    correlation=f"incident-{number}",
                    now=now,
                )
                told += 1
            data = {"name": staff.name, "incident": number, "told": told}
            await session.events.add("incident_ended", actor=f"staff:{staff.id}", now=now, data=data)
        return incident, told


def _owner(conversation: Conversation) -> tuple[str, ...]:
    return (conversation.owner,) if conversation.owner is not None else ()
