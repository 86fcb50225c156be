"""What a turn says to the one question that is open: its answer, or something else that can be dealt with as it stands. Pure."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

from bot.agreement.customers import Level
from bot.dialogue import actions
from bot.dialogue.asked import MAX_ATTEMPTS, MAX_QUESTIONS, Reading, about_of, attempts, for_people, is_goodbye
from bot.dialogue.assent import assent
from bot.dialogue.consenting import consented
from bot.dialogue.cues import (
    contests,
    drops,
    goes_on,
    helped,
    is_discreet,
    not_helped,
    prefers_remote,
)
from bot.dialogue.decisions import (
    About,
    Answer,
    AskCode,
    AskIdentity,
    AskOrganisation,
    ClarifyDetails,
    ClarifyTopic,
    Decision,
    Decline,
    Exclude,
    HandOff,
    Identified,
    OpenTicket,
    SmallTalk,
)
from bot.dialogue.facts import facts
from bot.dialogue.matters import on_prediction, on_topic
from bot.dialogue.rules import Case
from bot.model import Category, Pending, Prediction

_NUMBER = re.compile(r"\d{3,}")
_LEGAL_FORMS = frozenset({"gmbh", "ltd", "inc", "llc", "ohg", "kgaa", "und", "and"})


def answered(pending: Pending, case: Case) -> Reading:
    match pending.kind:
        case "helped":
            return _after_answer(pending, case)
        case "identity":
            return _who(pending, case)
        case "code":
            return _code(pending, case)
        case "consent":
            return consented(pending, case)
        case "topic" if chosen := _chosen(case.turn.text, pending, case):
            return Reading((on_topic(chosen, pending.text, case.catalogue),))
        case "topic" | "details" if said := _aside(pending, case):
            return said
        case "organisation":
            return _which(pending, case)
    return _details(pending, case)


# --- details and topics -----------------------------------------------------------------------------------


def _aside(pending: Pending, case: Case) -> Reading | None:
    """What needs no understanding of the matter: who writes, that it is covered, a remote session, that it was not so important."""
    text, about, organisation = case.turn.text, about_of(pending), case.situation.claim.organisation
    if case.situation.standing.must_ask and organisation is not None:
        read = resumed(pending, case.turn.earlier, case, organisation.id)
        clear = not any(isinstance(d, ClarifyDetails | ClarifyTopic) for d in read)
        return Reading(read if clear else (*read[:1], OpenTicket(about, "unsure")))
    excluded = [c for c in _options(pending, case) if case.catalogue.topics[c].category.excluded]
    if contests(text) and excluded:
        return Reading((HandOff(_about_topic(about, excluded[0], case), "contested"),))
    visit = [c for c in excluded if case.catalogue.topics[c].category is Category.ONSITE]
    if visit and prefers_remote(text):
        return Reading((OpenTicket(replace(about, text=f"{about.text}\n{text}"), "remote"),))
    said = assent(text)
    if drops(text) or (pending.kind == "topic" and said is not None and not said.yes and len(text) < 40):
        return Reading((SmallTalk(About(text, Category.SMALL_TALK), "acknowledged"),))
    return None


def _about_topic(about: About, topic: str, case: Case) -> About:
    return replace(about, topic=topic, category=case.catalogue.topics[topic].category)


def _details(pending: Pending, case: Case) -> Reading:
    text = case.turn.text
    alone = on_prediction(case.turn.prediction, case.catalogue)
    whole = f"{pending.text}\n{text}".strip()
    if case.conversation.misses > 0 and (not_helped(text) or any(isinstance(d, OpenTicket) for d in alone)):
        return Reading((HandOff(replace(about_of(pending), text=whole), "not_helped"),))
    if any(isinstance(d, Answer | Exclude | HandOff) for d in alone) or is_goodbye(alone):
        return Reading(alone)
    known = frozenset(facts(whole))
    if attempts(pending) < MAX_QUESTIONS and all(_says_little(d) for d in alone):
        return Reading((ClarifyDetails(replace(alone[0].about, text=whole), attempts(pending) + 1, known),))
    together = on_prediction(case.turn.together or case.turn.prediction, case.catalogue)
    if any(isinstance(d, Answer | Exclude) for d in together) and not any(isinstance(d, OpenTicket) for d in alone):
        return Reading(together)
    ticket = next((d for d in (*together, *alone) if isinstance(d, OpenTicket)), None)
    if ticket is None:
        ticket = OpenTicket(together[0].about, "unclear")
    return Reading((replace(ticket, about=replace(ticket.about, text=whole)),))


def _says_little(decision: Decision) -> bool:
    unsure = type(decision) is OpenTicket and decision.reason == "unsure"
    return unsure or isinstance(decision, ClarifyDetails | SmallTalk | Decline)


def _options(pending: Pending, case: Case) -> list[str]:
    known = case.catalogue.topics
    return [topic for action in pending.options if (topic := actions.topic_of(action)) and topic in known]


def _chosen(text: str, pending: Pending, case: Case) -> str | None:
    """The option that free text names: by its number or by its title. A bare yes means the likeliest one."""
    word = text.strip().rstrip(".)").casefold()
    known, topics = case.catalogue.topics, _options(pending, case)
    said = assent(text)
    if topics and said is not None and said.yes and len(word) < 20:
        return topics[0]
    if word.isdecimal() and 1 <= int(word) <= len(topics):
        return topics[int(word) - 1]
    return next((o for o in topics if word in (t.casefold() for t in known[o].title.values())), None)


# --- an article was given -----------------------------------------------------------------------------------


def _after_answer(pending: Pending, case: Case) -> Reading:
    """Follow-up questions stay on the topic; what has not helped leads to a person."""
    text = case.turn.text
    about = about_of(pending)
    alone = on_prediction(case.turn.prediction, case.catalogue)
    said = assent(text)
    if pending.data.get("again") and said is not None and said.yes:  # the offer of a person was taken
        return Reading((OpenTicket(about, "follow_up"),))
    if not_helped(text):
        return Reading((did_not_help(about, text, alone, case),))
    if helped(text) and all(isinstance(d, SmallTalk | Decline | ClarifyDetails) for d in alone):
        return Reading((SmallTalk(About(text, Category.SMALL_TALK), "helped"),))
    vague = all(isinstance(d, ClarifyDetails | ClarifyTopic | Decline) for d in alone)
    if not vague and not goes_on(text):
        return Reading(_not_again(alone, about, case))
    together = on_prediction(case.turn.together or case.turn.prediction, case.catalogue)
    if any(isinstance(d, Answer | OpenTicket) for d in together):
        return Reading(_not_again(together, about, case))
    return Reading(alone)


def _not_again(decisions: tuple[Decision, ...], about: About, case: Case) -> tuple[Decision, ...]:
    """The same article a second time says nothing new: the bot says so once, then the question goes to a person.

    Whoever only repeats the question has not seen the answer, so it is given once more.
    """
    if case.turn.text.strip().casefold() == about.text.strip().casefold():
        return decisions
    whole = replace(about, text=f"{about.text}\n{case.turn.text}".strip())
    pending = case.conversation.pending
    asked_before = pending is not None and bool(pending.data.get("again"))
    more: Decision = OpenTicket(whole, "follow_up") if asked_before else Answer(whole, again=True)
    return tuple(more if isinstance(d, Answer) and d.about.topic == about.topic else d for d in decisions)


def did_not_help(about: About, text: str, alone: tuple[Decision, ...], case: Case) -> Decision:
    """The first time the bot asks what happens instead; the second time, or when that is told already, a person is called."""
    whole = f"{about.text}\n{text}".strip()
    concrete = "error" in facts(text) or any(type(d) is OpenTicket and d.about.confidence > 0.5 for d in alone)
    if case.conversation.misses > 0 or (concrete and len(text) > 60) or "error" in facts(text):
        return HandOff(replace(about, text=whole), "not_helped")
    return ClarifyDetails(replace(about, text=whole), 1, frozenset(facts(whole)), after_answer=True)


# --- who writes ---------------------------------------------------------------------------------------------------


def _who(pending: Pending, case: Case) -> Reading:
    """An answer to the question for company and customer number; what else is said meanwhile is kept with the request."""
    claim, about, text = case.situation.claim, about_of(pending), case.turn.text
    if claim.organisation is not None:
        return Reading(resumed(pending, case.turn.earlier, case, claim.organisation.id))
    alone = on_prediction(case.turn.prediction, case.catalogue)
    is_open, said = pending.data.get("open") == "yes", pending.data.get("said", "")
    whole = f"{pending.text}\n{text}".strip() if pending.text else ""
    if wish := next((d for d in alone if isinstance(d, HandOff) and d.reason == "person"), None):
        kept = replace(about, text=whole or text, category=about.category or wish.about.category)
        return Reading((HandOff(kept, "person"),))
    half = claim.name_only or claim.number_only or _NUMBER.search(text) is not None
    again = attempts(pending) + 1
    if is_discreet(text) and not half and again <= MAX_ATTEMPTS:
        return Reading((AskIdentity(about, again, said, "why", is_open),))
    answers = () if half else tuple(d for d in alone if isinstance(d, Answer))
    if not half and for_people(alone):
        about = replace(about, text=whole)  # more of the request, not of who writes
    elif not half and (answers or is_goodbye(alone)):
        return Reading(answers or alone, keep=True)
    if again <= MAX_ATTEMPTS:
        words = f"{said}\n{text}".strip()
        return Reading((*answers, AskIdentity(about, again, words, _missing(words), is_open)))
    if is_open:
        return Reading((*answers, SmallTalk(about, "acknowledged")))
    return Reading((*answers, HandOff(replace(about, text=f"{about.text or text}"), "unidentified")))


def _missing(said: str) -> Literal["again", "name", "number"]:
    """What to ask for still, by the look of what was said: whether it is right or wrong must not show."""
    if _NUMBER.search(said) is None:
        return "number"
    without = re.sub(r"(?<![\w/-])[\w/-]*\d[\w/-]*", " ", said)
    return "again" if re.search(r"[^\W\d_]{4,}", without) else "name"


def resumed(pending: Pending, earlier: Prediction | None, case: Case, organisation_id: str) -> tuple[Decision, ...]:
    """What was asked before, now that it is known for whom."""
    known = {organisation.id: organisation for organisation in case.situation.choices}
    if case.situation.claim.organisation is not None:
        known[case.situation.claim.organisation.id] = case.situation.claim.organisation
    organisation = known[organisation_id]
    level = Level.PROVEN if case.situation.choices else Level.STATED
    identified = Identified(about_of(pending), organisation, level, said=not pending.text)
    if not pending.text or earlier is None:
        return (identified,)
    whole = f"{pending.text}\n{case.turn.text}".strip() if case.turn.action is None else pending.text
    return (identified, *(_with_text(d, whole) for d in on_prediction(earlier, case.catalogue)))


def _with_text(decision: Decision, text: str) -> Decision:
    return replace(decision, about=replace(decision.about, text=text)) if isinstance(decision, OpenTicket) else decision


def _which(pending: Pending, case: Case) -> Reading:
    """An answer to the question for which of their organisations somebody writes."""
    about, text = about_of(pending), case.turn.text
    if organisation := _named(text, case):
        return Reading(resumed(pending, case.turn.earlier, case, organisation))
    alone = on_prediction(case.turn.prediction, case.catalogue)
    about = replace(about, text=f"{about.text}\n{text}".strip())
    if any(isinstance(d, HandOff) and d.reason == "person" for d in alone):
        return Reading((HandOff(about, "person"),))
    answers = tuple(d for d in alone if isinstance(d, Answer))
    if (answers or is_goodbye(alone)) and not for_people(alone):
        return Reading(answers or alone, keep=True)
    if attempts(pending) < MAX_QUESTIONS and case.situation.choices:
        return Reading((*answers, AskOrganisation(about, case.situation.choices, attempts(pending) + 1)))
    return Reading((*answers, HandOff(about, "unidentified")))


def _named(text: str, case: Case) -> str | None:
    """The organisation that free text chooses among those offered: by its number in the list or by words of its name."""
    word = text.strip().rstrip(".)").casefold()
    offered = case.situation.choices
    if word.isdecimal() and 1 <= int(word) <= len(offered):
        return offered[int(word) - 1].id
    said = {part for part in re.findall(r"\w{3,}", word) if part not in _LEGAL_FORMS}
    found = [o.id for o in offered if said & set(re.findall(r"\w{3,}", o.name.casefold()))]
    return found[0] if len(found) == 1 else None


def _code(pending: Pending, case: Case) -> Reading:
    organisation, about = case.situation.organisation, about_of(pending)
    if case.situation.proven and organisation is not None:
        identified = Identified(about, organisation, Level.PROVEN, said=not pending.text)
        before = case.turn.earlier
        return Reading((identified, *(on_prediction(before, case.catalogue) if before and pending.text else ())))
    if organisation is None:
        return Reading((HandOff(about, "status"),))
    alone = on_prediction(case.turn.prediction, case.catalogue)
    if case.situation.code is None:
        if for_people(alone):
            return Reading(alone)
        if any(isinstance(d, Answer) for d in alone) or is_goodbye(alone):
            return Reading(tuple(d for d in alone if isinstance(d, Answer | SmallTalk)), keep=True)
    if attempts(pending) > MAX_QUESTIONS:
        return Reading((HandOff(about, "status"),))
    return Reading((AskCode(about, organisation, attempts(pending) + 1),))
