"""What one turn of a customer is: one or several messages in quick succession, understood together. Frozen, no behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NoReturn, cast

from bot.dialogue.decisions import Decision
from bot.model import Address, Attachment, Conversation, Language, Prediction


@dataclass(frozen=True, slots=True)
class Edit:
    """A message that was handled already and now reads differently; ``prediction`` is that of its older version."""

    before: str
    prediction: Prediction


More = Literal["together", "earlier"]
"""What only some decisions rest on, a field of the turn."""


class UnreadError(Exception):
    """A decision rests on what nobody has read yet: decide again when the turn has it."""

    def __init__(self, what: More) -> None:
        super().__init__(what)
        self.what = what


class _Unread:
    def __init__(self, what: More) -> None:
        self._what = what

    def __getattr__(self, name: str) -> NoReturn:
        raise UnreadError(self._what)

    def __bool__(self) -> NoReturn:
        raise UnreadError(self._what)


def unread(what: More) -> Prediction:
    """In the place of a prediction that is made only if it is looked at, since that is what costs most of a turn.

    Whoever looks at it raises UnreadError.
    """
    return cast("Prediction", _Unread(what))


@dataclass(frozen=True, slots=True)
class Turn:
    """``text`` is what was written, messages joined by line breaks; ``action`` the key of a pressed button.

    While a question is open, ``earlier`` is the prediction for its text, and ``together`` that for its text and this one read as a
    whole; each may be ``unread``. ``edit``: the turn is a newer version of a message that was handled before. ``deleted``: a
    message was taken away. ``invited``: it came by an invitation link.
    """

    text: str
    now: datetime
    prediction: Prediction
    together: Prediction | None = None
    earlier: Prediction | None = None
    action: str | None = None
    attachments: tuple[Attachment, ...] = ()
    edit: Edit | None = None
    deleted: bool = False
    invited: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was decided at ``now``, in which language it is to be said, and the conversation as it is afterwards.

    ``greeted``: the two have spoken before. ``reads_from``: the customer is to be told that nobody reads before then;
    ``respond_by``: a first response is promised until then; ``address``: how the customer is spoken to; ``files``: the names of all
    that came with the matter so far. A ticket that a decision opens gets its number later, from the desk, which then completes the
    conversation.
    """

    decisions: tuple[Decision, ...]
    language: Language
    conversation: Conversation
    now: datetime
    greeted: bool = False
    reads_from: datetime | None = None
    respond_by: datetime | None = None
    address: Address = "sie"
    files: tuple[str, ...] = ()
