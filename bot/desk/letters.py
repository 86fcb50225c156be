"""What went wrong for good: messages that could not be handled, sends that failed or may have arrived, files that could not be had.

People look at them here, put them back or give them up; a running bot then finds them by itself. It must not send anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.errors import FirstlineError
from bot.model import Author, Mode, ticket_key
from bot.ports import Clock
from bot.storage.attachments import FAILED as NOT_HAD
from bot.storage.attachments import Filed
from bot.storage.inbox import Received
from bot.storage.outbox import FAILED, Letter
from bot.storage.store import Session, Store

Way = Literal["in", "out", "file"]


class LetterError(FirstlineError):
    """This cannot be done with this dead letter."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """``number`` is a way, a hyphen and a number; ``state`` is dead, uncertain or failed; ``since`` when it came about.

    ``error`` is all that is known of the reason, ``text`` what the customer wrote or was to read, or the name of the file.
    """

    number: str
    state: str
    attempts: int
    since: datetime
    chat: str
    person: str
    text: str
    error: str
    conversation: str
    ticket: str | None
    correlation: str | None

    @property
    def reason(self) -> str:
        """The line of ``error`` that says most."""
        return self.error.strip().rpartition("\n")[2]


@dataclass(frozen=True)
class Letters:
    """``askable`` tells of an adapter whether its platform can be asked what it has."""

    store: Store
    clock: Clock
    askable: Callable[[str], bool]

    async def all(self) -> tuple[DeadLetter, ...]:
        """Those that came in, those that were to go out, files; the oldest first."""
        async with self.store.snapshot() as session:
            found = [await _incoming(session, received) for received in await session.inbox.dead()]
            found += [await _outgoing(session, letter) for letter in await session.outbox.in_state(*FAILED)]
            return (*found, *[_file(filed) for filed in await session.attachments.failed()])

    async def one(self, number: str) -> DeadLetter:
        """Raises LetterError when there is none of this number."""
        way, id_ = _parsed(number)
        async with self.store.snapshot() as session:
            match way:
                case "in":
                    return await _incoming(session, await _dead(session, id_))
                case "out":
                    return await _outgoing(session, await _unsent(session, id_))
                case "file":
                    return _file(await _not_had(session, id_))

    async def retry(self, number: str, *, actor: str, again: bool = False) -> None:
        """Let it be handled, sent or fetched anew, in the place that it had in its chat. Raises LetterError.

        A send that may have arrived is repeated only if its platform can be asked before, or ``again`` says that it may come twice.
        """
        way, id_ = _parsed(number)
        async with self.store.transaction() as session:
            match way:
                case "in":
                    received = await _dead(session, id_)
                    conversation, done = received.conversation_id, await session.inbox.revive(id_) is not None
                case "out":
                    letter = await _unsent(session, id_)
                    # The conversation's lock comes before anything of the outbox, as for whoever delivers.
                    await self._sendable(session, letter, again=again)
                    excused = letter.uncertain if again else letter.excused
                    conversation = letter.conversation_id
                    done = await session.outbox.revive(letter, self.clock(), excused=excused)
                case "file":
                    filed = await _not_had(session, id_)
                    conversation, done = filed.conversation_id, await session.attachments.revive(filed, self.clock())
            await self._note(session, "letter_retried", number, conversation, actor, done=done)

    async def drop(self, number: str, *, actor: str) -> None:
        """Give it up; it is kept with the talk, and not shown here any more. Raises LetterError."""
        way, id_ = _parsed(number)
        async with self.store.transaction() as session:
            match way:
                case "in":
                    received = await _dead(session, id_)
                    conversation, done = received.conversation_id, await session.inbox.give_up(id_)
                case "out":
                    letter = await _unsent(session, id_)
                    await session.conversations.get(letter.conversation_id, lock=True)
                    why = f"given up: {letter.error or letter.state}"
                    conversation, done = letter.conversation_id, await session.outbox.give_up(letter, why)
                case "file":
                    filed = await _not_had(session, id_)
                    conversation, done = filed.conversation_id, await session.attachments.give_up(filed)
            await self._note(session, "letter_dropped", number, conversation, actor, done=done)

    async def _sendable(self, session: Session, letter: Letter, *, again: bool) -> None:
        conversation = await session.conversations.get(letter.conversation_id, lock=True)
        if letter.secret:
            raise LetterError("What it said was secret and is forgotten; the customer can ask for another code.")
        if letter.expires_at is not None and letter.expires_at <= self.clock():
            raise LetterError(f"It was of use only until {letter.expires_at.isoformat(timespec='minutes')}.")
        if letter.author is Author.BOT and conversation.mode is Mode.HUMAN:
            raise LetterError("It is the bot's, and a person has the word there: that person should write instead.")
        adapter = letter.part.chat.adapter
        if letter.state == "uncertain" and not again and not self.askable(adapter):
            raise LetterError(
                f"It may have arrived, and {adapter} cannot be asked. Look into the chat: if it is there, drop the letter; if it "
                "is not, or may come twice, retry it with --again."
            )

    async def _note(
        self, session: Session, kind: str, number: str, conversation: str, actor: str, *, done: bool
    ) -> None:
        if not done:
            raise LetterError(f"Somebody else has just dealt with {number}.")
        data = {"dead_letter": number}
        await session.events.add(kind, actor=actor, now=self.clock(), conversation_id=conversation, data=data)


async def _incoming(session: Session, received: Received) -> DeadLetter:
    message = received.message
    events = await session.events.of_conversation(received.conversation_id)
    ticket = next(
        (e.ticket for e in reversed(events) if e.kind == "dead_letter" and e.data["inbox"] == received.id), None
    )
    return DeadLetter(
        number=f"in-{received.id}",
        state="dead",
        attempts=received.attempts,
        since=received.received_at,
        chat=message.chat.lane,
        person=message.sender.name,
        text=message.text,
        error=received.error or "",
        conversation=received.conversation_id,
        ticket=None if ticket is None else ticket_key(ticket),
        correlation=received.correlation,
    )


async def _outgoing(session: Session, letter: Letter) -> DeadLetter:
    conversation = await session.conversations.get(letter.conversation_id)
    return DeadLetter(
        number=f"out-{letter.id}",
        state=letter.state,
        attempts=letter.attempts,
        since=letter.created_at,
        chat=letter.lane,
        person=letter.author.value,
        text=letter.text,
        error=letter.error or "",
        conversation=letter.conversation_id,
        ticket=None if conversation.ticket is None else ticket_key(conversation.ticket),
        correlation=letter.correlation,
    )


def _file(filed: Filed) -> DeadLetter:
    return DeadLetter(
        number=f"file-{filed.id}",
        state=filed.state,
        attempts=filed.attempts,
        since=filed.created_at,
        chat=filed.adapter,
        person=filed.person,
        text=filed.name,
        error=filed.error or "",
        conversation=filed.conversation_id,
        ticket=None if filed.ticket is None else ticket_key(filed.ticket),
        correlation=None,
    )


def _parsed(number: str) -> tuple[Way, int]:
    match number.strip().lower().partition("-"):
        case ("in" | "out" | "file" as way, "-", digits) if digits.isdecimal() and len(digits) < 18:
            return way, int(digits)
    raise LetterError(f"{number!r} is no number of a dead letter, as in in-5, out-7 or file-3.")


async def _dead(session: Session, id_: int) -> Received:
    kept = await session.inbox.get(id_)
    if kept is None or kept.state != "dead":
        raise _unknown(f"in-{id_}")
    return kept.received


async def _unsent(session: Session, id_: int) -> Letter:
    letter = await session.outbox.get(id_)
    if letter is None or letter.state not in FAILED:
        raise _unknown(f"out-{id_}")
    return letter


async def _not_had(session: Session, id_: int) -> Filed:
    filed = await session.attachments.get(id_)
    if filed is None or filed.state != NOT_HAD:
        raise _unknown(f"file-{id_}")
    return filed


def _unknown(number: str) -> LetterError:
    return LetterError(f"There is no dead letter {number}; `firstline dead list` shows them.")
