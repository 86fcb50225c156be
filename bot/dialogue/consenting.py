"""What a turn says to the question whether the customer consents to something that has a cost or leaves the house. Pure.

Only a plain yes is a yes. It must not know any other question.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import get_args

from bot.dialogue.asked import MAX_ATTEMPTS, MAX_QUESTIONS, Reading, about_of, attempts, is_goodbye
from bot.dialogue.assent import assent, yes_in_so_many_words
from bot.dialogue.cues import (
    asks_for_terms,
    contests,
    drops,
    prefers_remote,
    rules_out_remote,
    sets_condition,
    wants_workaround,
)
from bot.dialogue.decisions import (
    About,
    Answer,
    AskConsent,
    ClarifyDetails,
    ClarifyTopic,
    Consent,
    Decision,
    Decline,
    Exclude,
    HandOff,
    OpenTicket,
    Purpose,
    Refuse,
    SmallTalk,
    Terms,
)
from bot.dialogue.matters import on_prediction
from bot.dialogue.rules import Case
from bot.model import Category, Pending

LONGEST_YES = 6
"""Words up to which a text that begins with a yes is nothing else, whatever the classifier makes of it."""

PURPOSES: dict[str, Purpose] = {purpose: purpose for purpose in get_args(Purpose)}

_REASONS = {"forward": "forward", "training": "arrange", "onsite": "arrange", "maintenance": "maintenance"}


def _once_more(pending: Pending, alone: tuple[Decision, ...], text: str) -> Reading | None:
    """The wish that a consent is asked for, told again: no yes, and no reason to ask the same for ever."""
    about, terms, again = about_of(pending), terms_of(pending), attempts(pending) + 1
    same = text.strip().casefold() == about.text.strip().casefold()
    wished = all(isinstance(d, Exclude) and d.about.category is about.category for d in alone)
    if not same and (not wished or terms.purpose == "forward"):  # another product of somebody else is another matter
        return None
    more = about if same else replace(about, text=f"{about.text}\n{text}")
    if again > MAX_ATTEMPTS:
        return Reading((HandOff(more, "person"),))
    return Reading((AskConsent(more, replace(terms, passed_on=more.text), again, full=not same),))


def _told_again(pending: Pending, alone: tuple[Decision, ...], text: str) -> bool:
    """Whether the wish itself is told again. That it begins with "ok" or "please" is no yes to its cost."""
    about = about_of(pending)
    if text.strip().casefold() == about.text.strip().casefold():
        return True
    wished = any(isinstance(d, Exclude) and d.about.category is about.category for d in alone)
    return wished and len(text.split()) > LONGEST_YES and not yes_in_so_many_words(text)


def _something_else(decisions: tuple[Decision, ...], about: About, text: str) -> bool:
    """Whether a text that begins like a yes goes on with another matter: "ok, then we would like ..." agrees to nothing.

    A yes that is only said twice ("Ja, machen Sie das. Kosten gehen in Ordnung.") is a yes.
    """
    sentences = re.split(r"(?<=[.!])\s+", text.strip())
    if len(sentences) > 1 and all((said := assent(sentence)) is not None and said.yes for sentence in sentences):
        return False
    return len(text.split()) > LONGEST_YES and any(
        isinstance(d, Exclude | OpenTicket | Answer)
        and d.about.category not in (about.category, Category.NOT_COVERED, Category.HUMAN_REQUEST)
        for d in decisions
    )


def terms_of(pending: Pending) -> Terms:
    return Terms(PURPOSES[pending.data["purpose"]], pending.text, pending.data.get("product"))


def agreed(pending: Pending, answer: str, condition: str | None = None) -> OpenTicket:
    """The ticket that a yes leads to."""
    terms = terms_of(pending)
    consent = Consent(terms, True, answer, pending.data.get("question", ""), condition)
    return OpenTicket(about_of(pending), _REASONS[terms.purpose], consent=consent)


def refused(pending: Pending, answer: str) -> Refuse:
    return Refuse(about_of(pending), Consent(terms_of(pending), False, answer, pending.data.get("question", "")))


def consented(pending: Pending, case: Case) -> Reading:
    """Only a plain yes is a yes. A question, or anything else that is not plain, gives no consent."""
    text, about, terms = case.turn.text, about_of(pending), terms_of(pending)
    more = replace(about, text=f"{about.text}\n{text}")
    shown = pending.data.get("question", "")
    if contests(text):
        return Reading((HandOff(more, "contested"),))
    if terms.purpose == "onsite" and prefers_remote(text):
        return Reading((OpenTicket(more, "remote"),))
    said = assent(text)
    if terms.purpose == "maintenance" and wants_workaround(text):
        consent = Consent(terms, True, text, shown) if said and said.yes else None
        return Reading((OpenTicket(more, "workaround", consent=consent),))
    alone = on_prediction(case.turn.prediction, case.catalogue)
    if _told_again(pending, alone, text) and (asked_for := _once_more(pending, alone, text)) is not None:
        return asked_for
    if said is not None and said.yes and _something_else(alone, about, text):
        return Reading(alone, keep=True)
    if said is not None:
        return Reading((agreed(pending, text, said.condition) if said.yes else refused(pending, text),))
    if sets_condition(text):  # bound to something without a yes: people settle it, and until then nothing leaves
        return Reading((HandOff(more, "conditions", consent=Consent(terms, False, text, shown, text)),))
    if any(isinstance(d, HandOff) and d.reason == "person" for d in alone):
        return Reading((HandOff(more, "person"),))
    again = attempts(pending) + 1
    asked_on = asks_for_terms(text) and not any(isinstance(d, OpenTicket) and d.reason == "error" for d in alone)
    if asked_on or (terms.purpose == "onsite" and rules_out_remote(text)):
        if again > MAX_ATTEMPTS:
            return Reading((HandOff(more, "person"),))
        return Reading((AskConsent(about, terms, again, full=True),))
    if (asked_for := _once_more(pending, alone, text)) is not None:
        return asked_for
    if any(isinstance(d, Answer) for d in alone):
        return Reading(alone, keep=True)
    if is_goodbye(alone):
        return Reading(alone, keep=True)
    if drops(text):
        return Reading((refused(pending, text),))
    unclear = all(isinstance(d, ClarifyDetails | ClarifyTopic | SmallTalk | HandOff | Decline) for d in alone)
    if unclear and attempts(pending) < MAX_QUESTIONS:
        return Reading((AskConsent(about, terms, attempts(pending) + 1),))
    return Reading(alone)
