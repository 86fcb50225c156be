"""What is written in the thread of a ticket, or by staff in the customer's own chat: each message once, to the right audience."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import uuid4

from bot.desk.audience import Reading, heard
from bot.desk.case import Case, TicketError
from bot.desk.settling import Settling
from bot.dialogue.voice import Reply
from bot.errors import ConflictError
from bot.model import Author, Button, ChatRef, Language, Mode, Person, TicketState
from bot.storage.staff import ThreadMessage

REPLY_ACTION, NOTE_ACTION = "staff:as_reply", "staff:as_note"
"""The keys of the buttons below the question whether a text is a reply or a note; a colon and the id of the message follow."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a message of a thread has become; ``asked``: whoever wrote it has to say. ``again``: it was known already."""

    became: Literal["reply", "note", "asked"]
    ticket: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class Changed:
    """What an edit or a deletion in a thread has changed.

    ``unsaid``: a reply that has not been sent and will not be. ``withheld``: a reply has become a note; the customer reads no more
    than had been sent by then.
    """

    what: Literal["reply", "note", "question", "unsaid", "withheld", "nothing"]
    ticket: int


class Threads(Settling):
    async def thread_message(
        self, number: int, staff: Person, text: str, chat: ChatRef, message_id: str, files: Sequence[int] = ()
    ) -> Written:
        """``staff`` has written ``text`` in the thread of the ticket; ``chat`` and ``message_id`` identify the message.

        ``files`` are attachments of the ticket that came with it. Delivered twice it counts once. Raises TicketError when there is
        no such ticket, or nothing can be said about it any more.
        """
        async with self._case(number) as case:
            known = await case.session.staff.written(chat, message_id)
            if known is not None:
                return Written(_became(known.became), known.ticket, again=True)
            found = heard(text, staff, case.ticket.owner)
            became: Literal["reply", "note", "asked"] = "asked"
            correlation = None
            match found.reading:
                case Reading.REPLY:
                    correlation = await self._replied(case, staff, found.text, files=files)
                    became = "reply"
                case Reading.NOTE:
                    correlation = await self._noted(case, staff, found.text, files)
                    became = "note"
            now = self.clock()
            if not await case.session.staff.wrote(
                chat, message_id, number, staff, found.text, became, now, correlation
            ):
                raise TicketError("This message has just been taken up by somebody else.")
            return Written(became, number)

    async def thread_answer(
        self,
        chat: ChatRef,
        message_id: str,
        staff: Person,
        choice: Literal["reply", "note"],
        files: Sequence[int] = (),
    ) -> Written:
        """The answer to the question what the message is: a reply, which takes the ticket over, or a note. ``files`` came with it.

        Only whoever wrote it may make a reply of it; the first answer counts. Raises TicketError when somebody else has the ticket
        meanwhile: then it stays a question, and nothing has been sent.
        """
        known = await self._known(chat, message_id)
        async with self._case(known.ticket) as case:
            # Read again under the lock: somebody may have answered meanwhile.
            message = await case.session.staff.written(chat, message_id) or known
            if message.became != "asked":
                return Written(_became(message.became), message.ticket, again=True)
            if choice == "reply":
                if staff.id != message.staff.id:
                    raise TicketError(
                        f"Only {message.staff.name}, who wrote it, can send it to the customer.",
                        "only_its_writer",
                        staff=message.staff.name,
                    )
                correlation = await self._replied(case, message.staff, message.text, files=files)
            else:
                correlation = await self._noted(case, message.staff, message.text, files)
            if not await case.session.staff.decide(message, choice, correlation):
                raise ConflictError
            return Written(choice, message.ticket)

    async def thread_edit(self, chat: ChatRef, message_id: str, staff: Person, text: str) -> Changed:
        """``staff`` has changed a message of a thread: so does what the customer reads, where that is still possible.

        A reply that has not left is said in its new words; one that the customer has is changed there. Words that would be a note
        by now, by their mark or because somebody else has the ticket, never leave, whatever they stood for before. Raises
        TicketError when there is nothing to change, or it cannot be changed any more.
        """
        known = await self._known(chat, message_id)
        async with self._case(known.ticket) as case:
            message = await case.session.staff.written(chat, message_id) or known
            found = heard(text, staff, case.ticket.owner)
            if found.text == message.text and (message.became == "note" or found.reading is not Reading.NOTE):
                return Changed("nothing", message.ticket)
            if message.became == "note" or found.reading is Reading.NOTE:
                return await self._withheld(case, message, staff, found.text)
            if message.became == "asked":
                await case.session.staff.reword(message, found.text, None)
                return Changed("question", message.ticket)
            return await self._corrected(case, message, found.text)

    async def thread_deletion(self, chat: ChatRef, message_id: str, staff: Person) -> Changed:
        """``staff`` has taken a message of a thread away. Raises TicketError when the customer has read it already."""
        message = await self._known(chat, message_id)
        if message.became == "reply":
            async with self._case(message.ticket) as case:
                if not await self._unsaid(case, message, f"taken back by {staff.name}"):
                    raise TicketError(
                        "The customer has this reply already; only the message in this thread is gone.", "read_already"
                    )
            return Changed("unsaid", message.ticket)
        return Changed("nothing", message.ticket)

    async def _corrected(self, case: Case, message: ThreadMessage, words: str) -> Changed:
        """A reply in other words: said in place of the first, or changed where the customer reads it. One with files stays as it
        is: said anew it would lose them.
        """
        session, staff, before = case.session, message.staff, message.correlation or ""
        letters = await session.outbox.of_correlation(case.conversation.id, before)
        said = await session.events.replied(before)
        plain = said is not None and not said.data.get("files")
        if plain and await self._unsaid(case, message, f"put differently by {staff.name}"):
            correlation = await self._spoken(case, staff, words)
            await session.staff.reword(message, words, correlation)
            return Changed("reply", message.ticket)
        there = [letter for letter in letters if letter.state == "sent" and letter.platform_id]
        if not plain or len(letters) != 1 or len(there) != 1:
            raise TicketError(
                "This reply cannot be changed any more: the customer reads it as it was. Write once more.",
                "unchangeable",
            )
        correlation = str(uuid4())
        await self._say(case, Reply(words), Author.PERSON, correlation=correlation, edit_of=there[0].platform_id)
        await self._event(
            case, "staff_replied", staff, {"text": words, "corrects": message.text}, correlation=correlation
        )
        await session.staff.reword(message, words, correlation)
        return Changed("reply", message.ticket)

    async def _withheld(self, case: Case, message: ThreadMessage, staff: Person, words: str) -> Changed:
        """Words for staff alone, in place of a note, of what was asked about, or of a reply, which does not leave any more then."""
        reply = message.became == "reply"
        if reply:
            await self._unsaid(case, message, f"made a note by {staff.name}")
        correlation = await self._noted(case, staff, words)
        await case.session.staff.reword(message, words, correlation, became="note")
        return Changed("withheld" if reply else "note", message.ticket)

    async def _unsaid(self, case: Case, message: ThreadMessage, why: str) -> bool:
        """Take a reply back before it is sent; False when some of it is out or on its way."""
        before = message.correlation or ""
        if await case.session.outbox.withdraw(case.conversation.id, before, why) is None:
            return False
        await self._event(case, "staff_undone", message.staff, {"text": message.text}, correlation=before)
        return True

    async def _known(self, chat: ChatRef, message_id: str) -> ThreadMessage:
        async with self.store.snapshot() as session:
            message = await session.staff.written(chat, message_id)
        if message is None:
            raise TicketError("This message is not known here; write it once more.", "unknown_message")
        return message

    def audience_question(self, language: Language, message_id: str) -> tuple[str, tuple[Button, Button]]:
        """The question that is asked in the thread of a ticket that nobody owns, about the message with this id."""
        texts = self.catalogue().texts[language]
        return texts["thread.which"], (
            Button(texts["thread.reply"], f"{REPLY_ACTION}:{message_id}"),
            Button(texts["thread.note"], f"{NOTE_ACTION}:{message_id}"),
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
            correlation = str(uuid4())
            if await case.session.staff.wrote(
                chat, message_id, number, staff, text, "reply", self.clock(), correlation
            ):
                await self._joined(case, staff)
                data = {"text": text, "said_there": True}
                await self._event(case, "staff_replied", staff, data, correlation=correlation)
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
