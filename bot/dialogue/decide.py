"""decide(): from a conversation and a turn of the customer to what is to be done. Pure.

It chooses; speak.py finds the words, the desk carries it out. It must not know storage, adapters or the clock.
"""

from __future__ import annotations

from dataclasses import replace

from bot.catalogue.catalogue import Catalogue
from bot.dialogue import actions
from bot.dialogue.decisions import (
    About,
    Answer,
    ClarifyDetails,
    ClarifyTopic,
    Decision,
    Decline,
    Exclude,
    HandOff,
    Ignore,
    OpenTicket,
    Relay,
    SmallTalk,
    needs_ticket,
)
from bot.dialogue.matters import on_prediction, on_topic
from bot.dialogue.turn import Outcome, Turn
from bot.model import Category, Conversation, Language, Mode, Pending

MAX_QUESTIONS = 2
"""How often the bot asks about one matter before it hands over what there is."""


def decide(conversation: Conversation, turn: Turn, catalogue: Catalogue, default_language: Language) -> Outcome:
    """What to do about ``turn``. The outcome's conversation keeps the version that it was read with."""
    language = turn.prediction.language or conversation.language or default_language
    conversation = replace(conversation, language=language)
    pending = conversation.pending
    decisions: tuple[Decision, ...]
    if conversation.mode is Mode.HUMAN:
        # A person has the word. The bot only sees to it that nothing is lost.
        return Outcome((Relay(About(turn.text)),), language, conversation)
    if turn.action is not None:
        decisions = (_pressed(conversation, turn.action, catalogue),)
    elif not turn.text.strip():
        decisions = (_without_words(conversation, turn),)
    elif pending is not None:
        decisions = _answered(pending, turn, catalogue)
    else:
        decisions = on_prediction(turn.prediction, catalogue)
    if conversation.mode is Mode.WAITING and turn.action is None:
        decisions = tuple(_while_waiting(decision) for decision in decisions)
    return Outcome(decisions, language, _after(conversation, decisions, turn))


def _answered(pending: Pending, turn: Turn, catalogue: Catalogue) -> tuple[Decision, ...]:
    """The customer writes while a question is open: an answer to it, or something else that can be dealt with as it stands."""
    said = pending.data.get("text", "")
    asked = int(pending.data.get("asked", "1"))
    if pending.kind == "topic" and (chosen := _chosen(turn.text, pending, catalogue)):
        return (on_topic(chosen, said, catalogue),)
    alone = on_prediction(turn.prediction, catalogue)
    if any(isinstance(d, Answer | Exclude | HandOff) for d in alone) or _is_goodbye(alone):
        return alone
    whole = f"{said}\n{turn.text}".strip()
    if asked < MAX_QUESTIONS and all(isinstance(d, ClarifyDetails | SmallTalk | Decline) for d in alone):
        return (ClarifyDetails(replace(alone[0].about, text=whole), asked + 1),)
    together = on_prediction(turn.together or turn.prediction, catalogue)
    ticket = next((d for d in together if isinstance(d, OpenTicket)), None)
    if ticket is None:
        ticket = OpenTicket(together[0].about, "unclear")
    return (replace(ticket, about=replace(ticket.about, text=whole)),)


def _is_goodbye(decisions: tuple[Decision, ...]) -> bool:
    return all(isinstance(d, SmallTalk) and d.key in ("thanks", "goodbye") for d in decisions)


def _chosen(text: str, pending: Pending, catalogue: Catalogue) -> str | None:
    """The option that free text names: by its number or by its title."""
    word = text.strip().rstrip(".)").casefold()
    topics = [topic for action in pending.options if (topic := actions.topic_of(action)) and topic in catalogue.topics]
    if word.isdecimal() and 1 <= int(word) <= len(topics):
        return topics[int(word) - 1]
    return next((o for o in topics if word in (t.casefold() for t in catalogue.topics[o].title.values())), None)


def _pressed(conversation: Conversation, action: str, catalogue: Catalogue) -> Decision:
    pending = conversation.pending
    said = (pending.data.get("text") if pending else None) or conversation.last_text or ""
    topic = catalogue.topics.get(conversation.topic or "")
    about = About(text=said, category=topic.category if topic else None, topic=conversation.topic)
    chosen = actions.topic_of(action)
    if chosen is not None and chosen in catalogue.topics:
        return on_topic(chosen, said, catalogue)
    match action:
        case actions.HELPED | actions.NO_THANKS:
            key = "helped" if action == actions.HELPED else "acknowledged"
            return SmallTalk(About(category=Category.SMALL_TALK), key)
        case actions.NOT_HELPED if conversation.misses == 0:
            return ClarifyDetails(about)
        case actions.NOT_HELPED:
            return HandOff(about, "not_helped")
        case actions.CONTEST:
            return HandOff(about, "contested")
        case actions.ARRANGE:
            return OpenTicket(about, "arrange")
        case actions.PERSON:
            return HandOff(replace(about, category=about.category or Category.HUMAN_REQUEST), "person")
        case actions.NEW_MATTER:
            return OpenTicket(about, "unsure")
        case actions.NONE_OF_THESE:
            return ClarifyDetails(about)
    # A button of an older version of the bot, or a forged one: nothing to do, and nothing to break.
    return Ignore(About(text=action))


def _without_words(conversation: Conversation, turn: Turn) -> Decision:
    """A file alone belongs to what is being talked about, or starts something that a person must see."""
    if not turn.attachments:
        return Ignore(About())
    said = conversation.pending.data.get("text", "") if conversation.pending else ""
    return OpenTicket(About(text=said, category=Category.ERROR_REPORT), "attachment")


def _while_waiting(decision: Decision) -> Decision:
    """A ticket is open and nobody has taken it: what a person must read joins it instead of opening another."""
    if isinstance(decision, OpenTicket | ClarifyDetails | ClarifyTopic):
        return Relay(
            decision.about, announce=True, person=isinstance(decision, HandOff) and decision.reason == "person"
        )
    return decision


def _after(conversation: Conversation, decisions: tuple[Decision, ...], turn: Turn) -> Conversation:
    """The conversation once the decisions are carried out; every question but the newest is forgotten."""
    after = replace(conversation, greeted=True, last_text=turn.text or conversation.last_text)
    if all(isinstance(d, Ignore) for d in decisions):
        return after
    after = replace(after, pending=None)
    for decision in decisions:
        match decision:
            case ClarifyDetails(about, attempt):
                question = Pending("details", turn.now, (), {"text": about.text, "asked": str(attempt)})
                after = replace(after, pending=question, misses=after.misses + (turn.action == actions.NOT_HELPED))
            case ClarifyTopic(about, candidates):
                options = tuple(actions.topic(candidate) for candidate in candidates)
                after = replace(after, pending=Pending("topic", turn.now, options, {"text": about.text, "asked": "1"}))
            case Answer(about) | Exclude(about):
                misses = after.misses if about.topic == after.topic else 0
                after = replace(after, topic=about.topic, misses=misses)
            case SmallTalk(key="helped"):
                after = replace(after, topic=None, misses=0)
        if needs_ticket(decision):
            after = replace(after, mode=Mode.WAITING, misses=0)
    return after
