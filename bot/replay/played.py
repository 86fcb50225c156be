"""Dialogues in JSON lines, one result line a turn: what `firstline replay` reads and prints.

It must not know how a turn is handled.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.ports import Classifier
from bot.replay.setup import Setup, prepare
from bot.replay.stage import Happened, Stage, stage


class Line(BaseModel):
    """One turn. ``type`` and ``message_id`` belong to events, ``expect`` and ``checks`` are for whoever reads."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    speaker: Literal["customer", "staff", "event"] = Field(alias="from")
    text: str = ""
    type: Literal["staff_takeover", "hand_back", "message_edited", "message_deleted", "time_passes"] | None = None
    message_id: str | None = None


class Dialogue(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    setup: Setup = Setup()
    turns: tuple[Line, ...]


_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


async def replayed(
    dialogue: Dialogue, settings: Settings, catalogue: Catalogue, classifier: Classifier
) -> AsyncIterator[dict[str, Any]]:
    """One JSON object a turn, also for a silent one."""
    setup = dialogue.setup
    # Where somebody is known or unknown by the setup, whoever is unknown is asked, however few customers are on file.
    asking = settings.model_copy(update={"identify": "always"})
    known = setup.catalogue(catalogue)
    async with stage(asking, catalogue=known, classifier=classifier, now=setup.now) as play:
        await prepare(play, setup)
        for number, line in enumerate(dialogue.turns):
            happened = await _played(play, line, number)
            yield {"id": dialogue.id, "turn": number, **_shown(happened)}


async def _played(play: Stage, line: Line, number: int) -> Happened:
    match line.speaker, line.type:
        case "customer", _:
            return await play.customer(line.text, message_id=line.message_id or str(number))
        case "staff", _:
            return await play.staff(line.text)
        case _, "staff_takeover":
            return await play.take_over()
        case _, "hand_back":
            return await play.hand_back()
        case _, "message_edited":
            return await play.edits(line.message_id or str(number - 1), line.text)
        case _, "message_deleted":
            return await play.deletes(line.message_id or str(number - 1))
        case _, "time_passes":
            return await play.pass_time(_DURATION.validate_python(line.text))
    raise AssertionError(f"no such event: {line.type}")


def _shown(happened: Happened) -> dict[str, Any]:
    conversation, ticket = happened.conversation, happened.ticket
    language = conversation.language if conversation else None
    keys = ("kind", "category", "faq", "confidence")
    decisions = [{key: decision[key] for key in keys} for decision in happened.decisions]
    pending = conversation.pending.kind if conversation and conversation.pending else None
    return {
        "replies": [
            {"text": reply.text, "lang": language, "buttons": [button.label for button in reply.buttons]}
            for reply in happened.replies
        ],
        "decision": decisions[0] if decisions else {"kind": "ignore", "category": None, "faq": None, "confidence": 0.0},
        "decisions": decisions,
        "conversation": {
            "mode": conversation.mode.value if conversation else "bot",
            "language": language,
            "pending": pending,
        },
        "ticket": None
        if ticket is None
        else {
            "id": ticket.key,
            "state": ticket.state.value,
            "reason": ticket.reason,
            "category": ticket.category.value if ticket.category else None,
            "topic": ticket.topic,
            "priority": ticket.priority.value,
            "subject": ticket.subject,
            "assignee": ticket.assignee,
            "facts": dict(ticket.facts),
        },
        "events": [event.kind for event in happened.events],
    }
