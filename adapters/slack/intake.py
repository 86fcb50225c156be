"""Takes payloads, those of a chat one at a time, however they come, and says what Slack is to be answered once each is durable.

It must not know how payloads arrive or are acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from adapters.slack.courtesies import Courtesies
from adapters.slack.elements import Fields, Me, UnreadableError, channel_of
from adapters.slack.forms import Forms
from adapters.slack.inbound import to_inbound
from adapters.slack.interactions import submitted
from adapters.slack.people import People
from adapters.turns import Turns
from bot.errors import FirstlineError
from bot.model import InboundMessage
from bot.ports import Receive

log = logging.getLogger(__name__)

Answer = Mapping[str, Any] | None


def now() -> datetime:
    return datetime.now(UTC)


class Intake:
    """Hands over one message of a chat at a time: payloads are worked on side by side, and would overtake each other."""

    def __init__(
        self,
        me: Me,
        receive: Receive,
        people: People,
        courtesies: Courtesies,
        forms: Forms,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._me, self._receive, self._forms = me, receive, forms
        self._people, self._courtesies, self._clock = people, courtesies, clock
        self._turns = Turns()
        self._open = False

    def open(self) -> None:
        self._open = True

    async def take(self, payload: Fields) -> Answer:
        """Returns once the payload needs not come again, with what is to be shown to whoever caused it.

        Raises FirstlineError when Slack must deliver it again.
        """
        if self._open and await self._forms.opened(payload):
            return None
        self._must_be_open()
        messages = self._read(payload)
        if messages:  # several of one payload are for one chat
            async with self._turns.of(messages[0].chat.chat_id):
                self._must_be_open()
                messages = [await self._people.known(message) for message in messages]
                for message in messages:
                    await self._receive(message)
        first = next(iter(messages), None)
        self._courtesies.follow(payload, first)
        return self._answer(payload, first)

    def _messages(self, payload: Fields) -> Sequence[InboundMessage]:
        if payload.get("type") == "view_submission":
            return submitted(payload, self._me, self._clock())
        message = to_inbound(payload, self._me, self._clock())
        return () if message is None else (message,)

    async def shut(self) -> None:
        """Take nothing more, and wait for what is being taken."""
        self._open = False
        await self._turns.over()
        await self._courtesies.close()

    def _must_be_open(self) -> None:
        if not self._open:
            raise FirstlineError("The adapter is shutting down.")

    def _read(self, payload: Fields) -> Sequence[InboundMessage]:
        try:
            messages = self._messages(payload)
        except Exception as error:  # whatever it is: it would be the same the next time
            reason = error if isinstance(error, UnreadableError) else type(error).__name__
            log.warning("event %s was skipped, it cannot be read: %s", payload.get("event_id"), reason)
            return ()
        if not messages:
            log.debug("event %s of type %s is not for the bot", payload.get("event_id"), payload.get("type"))
        return messages

    def _answer(self, payload: Fields, message: InboundMessage | None) -> Answer:
        if "command" not in payload or message is None or payload.get("channel_id") == channel_of(message.chat.chat_id):
            return None
        # Typed elsewhere than where the answer comes: seen by nobody else, it shows the way there without any words.
        return {"response_type": "ephemeral", "text": f":arrow_right: <@{self._me.user}>"}
