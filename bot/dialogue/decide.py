"""decide(): from a conversation, a turn of the customer and what is known besides, to what is to be done. Pure.

It chooses; speak.py finds the words, the desk carries it out. It must not know storage, adapters or the clock.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from bot.agreement.customers import Standing
from bot.catalogue.catalogue import Catalogue
from bot.dialogue import actions, aftercare
from bot.dialogue.asked import about_of, overdue
from bot.dialogue.assent import assent, withdraws
from bot.dialogue.consenting import agreed, refused, terms_of
from bot.dialogue.cues import contests, settled
from bot.dialogue.decisions import (
    About,
    Answer,
    AskCode,
    AskConsent,
    AskIdentity,
    AskOrganisation,
    ClarifyDetails,
    ClarifyTopic,
    Confirm,
    Decision,
    Exclude,
    HandOff,
    Identified,
    Ignore,
    OpenTicket,
    Rate,
    Relay,
    Reopen,
    Settle,
    SmallTalk,
    Withdraw,
    needs_ticket,
)
from bot.dialogue.facts import facts
from bot.dialogue.matters import on_prediction, on_topic
from bot.dialogue.pending import answered, did_not_help, resumed
from bot.dialogue.rules import TICKET_STATUS, Case, hold, status
from bot.dialogue.situation import Situation
from bot.dialogue.turn import Outcome, Turn
from bot.model import Category, Conversation, Language, Mode, Pending, Priority

CONSENT_LASTS = timedelta(days=3)
HELPED_LASTS = timedelta(hours=12)
RATING_LASTS = timedelta(days=1)
WORDS_OF_A_LANGUAGE = 3
"""Shorter texts with a number in them show no language: they are a name, a version, a code."""


def decide(
    conversation: Conversation,
    turn: Turn,
    catalogue: Catalogue,
    default_language: Language,
    situation: Situation | None = None,
) -> Outcome:
    """What to do about ``turn``. The outcome's conversation keeps the version that it was read with."""
    situation = situation or Situation()
    language = _spoken(turn, conversation) or default_language
    pending = conversation.pending
    if pending is not None and not overdue(pending) and pending.expires_at and pending.expires_at <= turn.now:
        pending = _asked_anew(pending, turn)
    conversation = replace(conversation, language=language, pending=pending)
    if situation.organisation is not None:
        conversation = replace(conversation, organisation=situation.organisation.id)
    case = Case(conversation, turn, situation, catalogue)
    if conversation.mode is Mode.HUMAN:
        return _with_a_person(case, language)
    decisions, keep = _meant(case)
    case = _known(case, decisions)
    decisions = hold(aftercare.returned(decisions, case), case)
    case = _known(case, decisions)
    return _outcome(_in_order(_whole(decisions, turn)), case, language, keep=keep)


def _whole(decisions: tuple[Decision, ...], turn: Turn) -> tuple[Decision, ...]:
    """The one ticket of a turn holds all that was written, also what was left aside to understand it."""
    said = [decision for decision in decisions if not isinstance(decision, Identified)]
    if len(said) == 1 and isinstance(said[0], OpenTicket) and len(turn.text) > len(said[0].about.text):
        whole = replace(said[0], about=replace(said[0].about, text=turn.text))
        return tuple(whole if decision is said[0] else decision for decision in decisions)
    return decisions


def _known(case: Case, decisions: tuple[Decision, ...]) -> Case:
    """``case`` with the customer that the decisions have found out."""
    known = next((d for d in decisions if isinstance(d, Identified)), None)
    if known is None:
        return case
    standing = Standing(known.level, known.organisation)
    return replace(
        case,
        conversation=replace(case.conversation, organisation=known.organisation.id),
        situation=replace(case.situation, standing=standing, choices=()),
    )


def _asked_anew(pending: Pending, turn: Turn) -> Pending | None:
    """A yes that comes after days must not be taken for a consent: it is asked again what it is meant for."""
    said = assent(turn.text)
    late = pending.kind == "consent" and said is not None and said.yes
    return replace(pending, data={**pending.data, "late": "yes"}) if late else None


def _spoken(turn: Turn, conversation: Conversation) -> Language | None:
    """The language of this turn. A link shows none, nor does a name with a number: "Outlook 2019" is no English."""
    short = len(turn.text.split()) < WORDS_OF_A_LANGUAGE
    if turn.action or turn.deleted or turn.invited or (short and any(map(str.isdigit, turn.text))):
        return conversation.language
    return turn.prediction.language or conversation.language


def _with_a_person(case: Case, language: Language) -> Outcome:
    """A person has the word. The bot only sees to it that nothing is lost, a withdrawn consent least of all."""
    turn = case.turn
    if turn.deleted:
        decision: Decision = Ignore(About(turn.text))
    elif turn.action is not None and (after := aftercare.pressed(turn.action, case)) is not None:
        decision = after
    elif withdraws(turn.text) and case.situation.consented:
        decision = Withdraw(About(turn.text), consented=True)
    else:
        decision = Relay(About(turn.text), edited=turn.edit is not None)
    return Outcome((decision,), language, case.conversation, turn.now)


def _meant(case: Case) -> tuple[tuple[Decision, ...], bool]:
    """What the turn asks for by its own words, before any rule; and whether the open question stays open."""
    conversation, turn, situation = case.conversation, case.turn, case.situation
    pending, text = conversation.pending, turn.text
    if turn.deleted:
        return (Ignore(About(text)),), not _taken_back(case)
    if turn.invited:
        return (_invited(case),), True
    if turn.action is not None:
        decision = _pressed(case, turn.action)
        return decision, all(isinstance(d, Ignore) for d in decision)
    if turn.edit is not None:
        return _edited(case)
    if not text.strip():
        return _without_words(case), False
    asked = pending is not None and pending.kind == "consent"
    if withdraws(text) and not asked and (situation.consented or (situation.current and situation.current.open)):
        return (Withdraw(About(text, Category.NOT_COVERED), situation.consented),), False
    if pending is not None and pending.kind in (aftercare.SOLVED, aftercare.RATING):
        return aftercare.said(pending, case)
    if pending is None or pending.kind == "helped":
        current = situation.current
        if current is not None and current.open and settled(text):
            return (Settle(About(text, Category.SMALL_TALK), current.number),), False
        if contests(text) and _was_excluded(case):
            return (HandOff(_spoken_of(case), "contested"),), False
    if pending is not None and pending.data.get("late"):
        return (AskConsent(about_of(pending), terms_of(pending)),), False
    if pending is not None:
        reading = answered(pending, case)
        return reading.decisions, reading.keep
    return on_prediction(turn.prediction, case.catalogue), False


# --- buttons and commands -----------------------------------------------------------------------------------


def _pressed(case: Case, action: str) -> tuple[Decision, ...]:
    catalogue, pending = case.catalogue, case.conversation.pending
    about = _spoken_of(case)
    if (chosen := actions.topic_of(action)) is not None and chosen in catalogue.topics:
        return (on_topic(chosen, about.text, catalogue),)
    if organisation := actions.organisation_of(action):
        offered = {choice.id for choice in case.situation.choices}
        if organisation in offered and pending is not None and pending.kind == "organisation":
            return resumed(pending, case.turn.earlier, case, organisation)
    if (after := aftercare.pressed(action, case)) is not None:
        return (after,)
    consent = pending if pending is not None and pending.kind == "consent" else None
    match action:
        case actions.HELPED:
            return (SmallTalk(About(category=Category.SMALL_TALK), "helped"),)
        case actions.NOT_HELPED:
            return (did_not_help(about, "", (), case),)
        case actions.YES if consent:
            return (agreed(consent, _label(case, consent)),)
        case actions.NO if consent:
            return (refused(consent, _label(case, consent, yes=False)),)
        case actions.CONTEST:
            return (HandOff(about, "contested"),)
        case actions.REMOTE:
            return (OpenTicket(about, "remote"),)
        case actions.WORKAROUND:
            return (OpenTicket(about, "workaround"),)
        case actions.PERSON:
            about = _with_words(case, about)
            return (HandOff(replace(about, category=about.category or Category.HUMAN_REQUEST), "person"),)
        case actions.NEW_MATTER:
            return (OpenTicket(about, "unsure"),)
        case actions.OTHER_MATTER:
            return (OpenTicket(about, "error"),)
        case actions.NONE_OF_THESE:
            return (ClarifyDetails(about, known=frozenset(facts(about.text))),)
        case actions.MY_TICKETS:
            asked = Answer(About(category=Category.OPERATION, topic=TICKET_STATUS, confidence=1.0))
            if TICKET_STATUS in catalogue.topics:
                return (status(asked, (), case),)
        case actions.NEW:
            return (ClarifyDetails(About()),)
        case actions.HELP:
            return (SmallTalk(About(category=Category.SMALL_TALK), "greeting"),)
    # A button of an older version of the bot, or a forged one: nothing to do, and nothing to break.
    return (Ignore(About(text=action)),)


def _label(case: Case, pending: Pending, *, yes: bool = True) -> str:
    """What the pressed button says: the customer's answer to the letter."""
    key = f"button.yes_{pending.data.get('purpose', 'forward')}" if yes else "button.no"
    return case.catalogue.text(case.conversation.language or "de", key)


def _with_words(case: Case, about: About) -> About:
    """A command may have words behind it, which say what the person is wanted for; a button has only its label."""
    said = case.turn.text.strip()
    labels = {
        text for sheet in case.catalogue.texts.values() for key, text in sheet.items() if key.startswith("button.")
    }
    return about if not said or said.startswith("/") or said in labels else About(said)


def _spoken_of(case: Case) -> About:
    """What a button or a remark refers to: the open question, else what was last spoken of."""
    conversation = case.conversation
    if conversation.pending is not None:
        return about_of(conversation.pending)
    topic = case.catalogue.topics.get(conversation.topic or "")
    return About(
        text=conversation.last_text or "",
        category=topic.category if topic else None,
        topic=topic.id if topic else None,
        confidence=1.0,
    )


def _was_excluded(case: Case) -> bool:
    topic = case.catalogue.topics.get(case.conversation.topic or "")
    return topic is not None and topic.category.excluded


# --- what is no plain message ------------------------------------------------------------------------------------


def _invited(case: Case) -> Decision:
    organisation = case.situation.organisation
    if case.situation.refused_invitation or organisation is None:
        return SmallTalk(About(category=Category.SMALL_TALK), "invitation_invalid")
    return Identified(About(category=Category.SMALL_TALK), organisation, case.situation.standing.level)


def _without_words(case: Case) -> tuple[Decision, ...]:
    """A file alone belongs to what is being talked about, or starts something that a person must see."""
    if not case.turn.attachments:
        return (Ignore(About()),)
    pending = case.conversation.pending
    said = pending.text if pending and pending.kind in ("details", "topic", "identity", "organisation") else ""
    return (OpenTicket(About(text=said, category=Category.ERROR_REPORT), "attachment"),)


def _edited(case: Case) -> tuple[tuple[Decision, ...], bool]:
    """A newer version of a message that was handled: considered anew if it means something else now, else only kept."""
    turn, edit = case.turn, case.turn.edit
    assert edit is not None
    before = on_prediction(edit.prediction, case.catalogue)
    after = on_prediction(turn.prediction, case.catalogue)
    if turn.text.strip() == edit.before.strip() or _gist(before) == _gist(after):
        current = case.situation.current
        if current is not None and current.open:
            return (Relay(About(turn.text), edited=True),), True
        return (Ignore(About(turn.text)),), True
    return tuple(replace(d, edited=True) if isinstance(d, Relay) else d for d in after), False


def _gist(decisions: tuple[Decision, ...]) -> list[tuple[str, str | None, str | None]]:
    """What makes two readings mean the same: what is done, and about which kind of matter."""
    return [
        (d.kind, d.about.category, d.about.topic if isinstance(d, Answer | Exclude | ClarifyTopic) else None)
        for d in decisions
    ]


def _taken_back(case: Case) -> bool:
    """Whether the message that was deleted is what the open question is about."""
    pending = case.conversation.pending
    return pending is not None and pending.text.strip() == case.turn.text.strip()


# --- the conversation afterwards -------------------------------------------------------------------------------------


_LAST = (AskConsent, AskIdentity, AskOrganisation, AskCode)


def _in_order(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    """What is done comes before what is not covered, questions come last, and of two questions only the first is asked."""
    first = [d for d in decisions if isinstance(d, Identified) and d.said]
    last = [d for d in decisions if isinstance(d, _LAST)][:1]
    unsaid = [d for d in decisions if isinstance(d, Identified) and not d.said]
    others = [d for d in decisions if not isinstance(d, (Identified, Exclude, *_LAST))]
    excluded = [d for d in decisions if isinstance(d, Exclude)]
    return (*first, *others, *excluded, *last, *unsaid)


def _outcome(decisions: tuple[Decision, ...], case: Case, language: Language, *, keep: bool) -> Outcome:
    turn, situation = case.turn, case.situation
    after = _after(case, decisions, keep=keep)
    reads_from = respond_by = None
    if ticket := next((d for d in decisions if needs_ticket(d) or isinstance(d, Reopen)), None):
        priority = Priority.NORMAL
        if isinstance(ticket, OpenTicket | Reopen):
            priority = ticket.priority if isinstance(ticket, OpenTicket) else ticket.ticket.priority
        respond_by = situation.respond_by(turn.now, priority)
        reads_from = situation.reads_from(turn.now)
    elif any(isinstance(d, Relay) and d.announce for d in decisions):
        reads_from = situation.reads_from(turn.now)
    if reads_from is not None:
        if reads_from == after.closed_until:
            reads_from = None  # said before
        else:
            after = replace(after, closed_until=reads_from)
    address = situation.organisation.address if situation.organisation else "sie"
    greeted, sent = case.conversation.greeted, _files(case)
    return Outcome(decisions, language, after, turn.now, greeted, reads_from, respond_by, address, sent)


def _files(case: Case) -> tuple[str, ...]:
    """What came with the question that was open, and what comes now."""
    pending = case.conversation.pending
    before = pending.data.get("files", "") if pending is not None else ""
    now = (attachment.name.replace("\n", " ") for attachment in case.turn.attachments)
    return tuple(dict.fromkeys((*filter(None, before.split("\n")), *now)))


def _after(case: Case, decisions: tuple[Decision, ...], *, keep: bool) -> Conversation:
    """The conversation once the decisions are carried out; every question but the newest is forgotten."""
    turn, pending, situation = case.turn, case.conversation.pending, case.situation
    after = replace(case.conversation, greeted=True)
    if situation.proven and situation.organisation is not None:
        after = replace(after, organisation=situation.organisation.id)
    if turn.text and not turn.deleted:
        after = replace(after, last_text=turn.text)
    if all(isinstance(d, Ignore) for d in decisions):
        return after if keep else replace(after, pending=None)
    if not keep:
        after = replace(after, pending=None)
    for decision in decisions:
        about = decision.about
        match decision:
            case Answer() | Exclude():
                misses = after.misses if about.topic == after.topic else 0
                after = replace(after, topic=about.topic, misses=misses)
            case ClarifyDetails(after_answer=True):
                after = replace(after, misses=after.misses + 1)
            case SmallTalk(key="helped") | Settle() | Confirm():
                after = replace(after, topic=None, misses=0)
        if question := _question(decision, case):
            sent = {"files": "\n".join(names)} if (names := _files(case)) else {}
            after = replace(after, pending=replace(question, data={**question.data, **sent}))
        elif isinstance(decision, Answer) and after.pending is None:
            again = "yes" if decision.again else ""
            after = replace(after, pending=_pending("helped", about, turn.now, lasts=HELPED_LASTS, again=again))
        if needs_ticket(decision) or isinstance(decision, Reopen):
            after = replace(after, mode=Mode.WAITING, misses=0)
        if isinstance(decision, Reopen):
            after = replace(after, ticket=decision.ticket.number, topic=None, pending=None)
        if isinstance(decision, Settle):
            after = replace(after, mode=Mode.BOT)
    if keep and after.pending is None:
        after = replace(after, pending=pending)
    return after


def _question(decision: Decision, case: Case) -> Pending | None:
    now, patience = case.turn.now, case.situation.patience
    match decision:
        case ClarifyDetails(about, attempt):
            return _pending("details", about, now, asked=attempt, lasts=patience)
        case ClarifyTopic(about, candidates):
            options = tuple(actions.topic(candidate) for candidate in candidates)
            return _pending("topic", about, now, options=options, lasts=patience)
        case AskIdentity(about, attempt, said, _, is_open):
            opened = "yes" if is_open else ""
            return _pending("identity", about, now, asked=attempt, lasts=patience, said=said, open=opened)
        case AskOrganisation(about, organisations, attempt):
            options = tuple(actions.organisation(o.id) for o in organisations)
            return _pending("organisation", about, now, asked=attempt, options=options, lasts=patience)
        case AskCode(about, _, attempt):
            return _pending("code", about, now, asked=attempt, lasts=patience)
        case AskConsent(about, terms, attempt):
            about = replace(about, text=terms.passed_on)
            return _pending(
                "consent",
                about,
                now,
                asked=attempt,
                lasts=CONSENT_LASTS,
                purpose=terms.purpose,
                product=terms.product or "",
            )
        case Confirm(about, ticket):
            return _pending(aftercare.RATING, about, now, lasts=RATING_LASTS, ticket=str(ticket))
        case Rate(about, ticket, _, words) if not words and case.turn.action is not None:
            return _pending(aftercare.RATING, about, now, lasts=RATING_LASTS, ticket=str(ticket))
    return None


def _pending(
    kind: str,
    about: About,
    now: datetime,
    *,
    asked: int = 1,
    options: tuple[str, ...] = (),
    lasts: timedelta,
    **more: str,
) -> Pending:
    data = {
        "text": about.text,
        "asked": str(asked),
        "category": about.category.value if about.category else "",
        "topic": about.topic or "",
        "products": " ".join(about.products),
        **more,
    }
    return Pending(kind, now, options, {key: value for key, value in data.items() if value}, now + lasts)
