"""What is written in the thread of a ticket, or by staff in the customer's own chat: each message once, to the right audience."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal
from uuid import uuid4

from bot.desk.audience import Reading, heard
from bot.desk.case import Case, TicketError
from bot.desk.settling import Settling
from bot.model import Button, ChatRef, Language, Mode, Person, TicketState

REPLY_ACTION, NOTE_ACTION = "staff_reply", "staff_note"
"""The keys of the buttons below the question whether a text is a reply or a note."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a message of a thread has become; ``asked``: whoever wrote it has to say. ``again``: it was known already."""

    became: Literal["reply", "note", "asked"]
    ticket: int
    again: bool = False


class Threads(Settling):
    async def thread_message(self, number: int, staff: Person, text: str, chat: ChatRef, message_id: str) -> Written:
        """``staff`` has written ``text`` in the thread of the ticket; ``chat`` and ``message_id`` identify the message.

        Delivered twice it counts once. Raises TicketError when there is no such ticket, or nothing can be said about it any more.
        """
        async with self._case(number) as case:
            known = await case.session.staff.written(chat, message_id)
            if known is not None:
                return Written(_became(known.became), known.ticket, again=True)
            found = heard(text, staff, case.ticket.owner)
            became: Literal["reply", "note", "asked"] = "asked"
            match found.reading:
                case Reading.REPLY:
                    await self._replied(case, staff, found.text)
                    became = "reply"
                case Reading.NOTE:
                    await self._noted(case, staff, found.text)
                    became = "note"
            now = self.clock()
            if not await case.session.staff.wrote(chat, message_id, number, staff, text, became, now):
                raise TicketError("This message has just been taken up by somebody else.")
            return Written(became, number)

    async def thread_answer(
        self, chat: ChatRef, message_id: str, staff: Person, choice: Literal["reply", "note"]
    ) -> Written:
        """The answer to the question what the message is: a reply, which takes the ticket over, or a note.

        Only whoever wrote it may make a reply of it; the first answer counts. Raises TicketError when somebody else has the ticket
        meanwhile: then it stays a question, and nothing has been sent.
        """
        async with self.store.snapshot() as session:
            message = await session.staff.written(chat, message_id)
        if message is None:
            raise TicketError("This message is not known; write it again.")
        async with self._case(message.ticket) as case:
            if not await case.session.staff.decide(message, choice):
                return Written(_became(message.became), message.ticket, again=True)
            if choice == "reply":
                if staff.id != message.staff.id:
                    raise TicketError(f"Only {message.staff.name}, who wrote it, can send it to the customer.")
                await self._replied(case, message.staff, message.text)
            else:
                await self._noted(case, message.staff, message.text)
            return Written(choice, message.ticket)

    def audience_question(self, language: Language) -> tuple[str, tuple[Button, Button]]:
        """The question that is asked in the thread of a ticket that nobody owns."""
        texts = self.catalogue().texts[language]
        return texts["thread.which"], (
            Button(texts["thread.reply"], REPLY_ACTION),
            Button(texts["thread.note"], NOTE_ACTION),
        )

    async def spoke(self, conversation_id: str, staff: Person, text: str, chat: ChatRef, message_id: str) -> int:
        """``staff`` has written to the customer in the customer's own chat: whoever speaks there has taken over.

        Nothing is sent, since it has been said. Returns the number of the ticket.
        """
        async with self.store.snapshot() as session:
            conversation = await session.conversations.get(conversation_id)
        number = conversation.ticket
        if number is not None:
            async with self.store.snapshot() as session:
                ticket = await session.tickets.get(number)
            number = number if ticket is not None and ticket.state is not TicketState.CLOSED else None
        if number is None:
            number = await self.open(conversation_id, staff)
        async with self._case(number) as case:
            if await case.session.staff.wrote(chat, message_id, number, staff, text, "reply", self.clock()):
                await self._joined(case, staff)
                data = {"text": text, "said_there": True}
                await self._event(case, "staff_replied", staff, data, correlation=str(uuid4()))
        return number

    async def _joined(self, case: Case, staff: Person) -> None:
        """Whoever owns the ticket keeps it; where nobody does, ``staff`` has it now."""
        owner = case.ticket.owner
        if owner is None or owner.id == staff.id:
            await self._taken(case, staff)
        elif case.conversation.mode is not Mode.HUMAN:
            await self._save_conversation(
                case, replace(case.conversation, mode=Mode.HUMAN, owner=owner.id, pending=None)
            )


def _became(word: str) -> Literal["reply", "note", "asked"]:
    if word == "asked":
        return "asked"
    return "reply" if word == "reply" else "note"
