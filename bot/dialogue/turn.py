"""What one turn of a customer is: one or several messages in quick succession, understood together. Frozen, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.dialogue.decisions import Decision
from bot.model import Attachment, Conversation, Language, Prediction


@dataclass(frozen=True, slots=True)
class Turn:
    """``text`` is what was written, messages joined by line breaks; ``action`` the key of a pressed button.

    ``together`` is the prediction for a pending question's text and this one read as a whole; None when nothing was pending.
    """

    text: str
    now: datetime
    prediction: Prediction
    together: Prediction | None = None
    action: str | None = None
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided, in which language it is to be said, and the conversation as it is afterwards.

    A ticket that a decision opens gets its number later, from the desk, which then completes the conversation.
    """

    decisions: tuple[Decision, ...]
    language: Language
    conversation: Conversation
