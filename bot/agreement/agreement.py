"""The agreement's clauses, the meaning of its categories and the costs of judging a message wrongly.

Pure data: it must not know where it is stored or what the bot says about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.agreement.calendar import Hours
from bot.model import Category, Language


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause as it is cited to customers; ``number`` is its number in the agreement, if it has one."""

    id: str
    number: str | None
    title: Mapping[Language, str]
    text: Mapping[Language, str]


@dataclass(frozen=True, slots=True)
class Costs:
    """What each error costs, in any unit as long as it is the same for all of them.

    ``wrongful_refusal``: a covered request is told that it is not covered. ``missed_exclusion``: an excluded request is treated as
    covered. ``wrong_answer``: an article that does not fit. ``needless_hand_off``: a person is called though the bot could have
    done it. ``clarification``: the customer is asked a question. ``ignored``: a request is taken for chat.
    """

    wrongful_refusal: float
    missed_exclusion: float
    wrong_answer: float
    needless_hand_off: float
    clarification: float
    ignored: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """``version`` is cited with every clause; ``categories`` describes each category for the people who write examples.

    ``hours`` are the helpdesk's own, for customers whose contract names none; None: not known, so nothing is said of them.
    ``attention`` is the opening time after which the bot owns up to a customer that nobody has answered yet, where the contract
    promises no time; None: never.
    """

    version: str
    categories: Mapping[Category, Mapping[Language, str]]
    clauses: Mapping[str, Clause]
    costs: Costs
    hours: Hours | None = None
    attention: timedelta | None = None
