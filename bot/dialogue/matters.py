"""From the matters of a message to one decision each, as if nothing had been said before. Pure."""

from __future__ import annotations

from dataclasses import replace

from bot.catalogue.catalogue import Catalogue
from bot.dialogue.decisions import (
    About,
    Answer,
    ClarifyDetails,
    ClarifyTopic,
    Decision,
    Decline,
    Exclude,
    HandOff,
    OpenTicket,
    SmallTalk,
    needs_ticket,
)
from bot.dialogue.judge import Course, judge
from bot.model import Category, Matter, Prediction, Priority

CANDIDATES = 3
AS_LIKELY = 0.4
"""Probability from which both of two readings are taken for meant, where treating both harms nobody."""
NOT_UNLIKELY = 0.15
"""Probability from which a second reading is reckoned with, where reckoning with it in vain harms nobody."""
SAYS_SOMETHING = 5
"""Words from which a text that fits no topic is for a person; about shorter ones the bot asks."""

LOOSE_CONSENT = "nc_consent"
"""The topic of a yes or no that answers no question of ours: what it concerns only a person can find out."""

REASONS = {Category.ERROR_REPORT: "error", Category.OPERATION: "operation", Category.USAGE: "usage"}


def on_prediction(prediction: Prediction, catalogue: Catalogue) -> tuple[Decision, ...]:
    """What to do about each matter, brought together into what can be said in one reply."""
    return combined([decision for matter in prediction.matters for decision in _both(matter, catalogue)])


def _both(matter: Matter, catalogue: Catalogue) -> tuple[Decision, ...]:
    """A visit wished for to have something mended is two things at once: the fault gets its ticket, the visit its explanation."""
    decision = on_matter(matter, catalogue)
    fault, visit_too = sum(p for c, p in matter.categories if c.in_scope), matter.probability(Category.ONSITE)
    meant = min(fault, visit_too) >= AS_LIKELY or (matter.category is Category.ONSITE and fault >= NOT_UNLIKELY)
    if isinstance(decision, ClarifyTopic) and meant:
        category = next(c for c, _ in matter.categories if c.in_scope)
        topic = next((c.topic for c in matter.topics if c.category is category), None)
        visit = replace(decision.about, category=Category.ONSITE, topic=_of(Category.ONSITE, matter))
        return ticket(replace(decision.about, category=category, topic=topic), catalogue), excluded(visit, catalogue)
    return (decision,)


def _of(category: Category, matter: Matter) -> str | None:
    return next((c.topic for c in matter.topics if c.category is category), None)


def on_matter(matter: Matter, catalogue: Catalogue) -> Decision:
    topic = matter.topics[0].topic if matter.topics else None
    about = About(
        text=matter.text,
        category=matter.category,
        topic=topic,
        confidence=matter.confidence,
        runner_up=matter.categories[1][0] if len(matter.categories) > 1 else None,
        products=matter.products,
    )
    course = judge(matter, catalogue.agreement.costs).course
    if course in (Course.ANSWER, Course.TICKET) and _names_only(matter):
        candidates = _candidates(matter, catalogue)
        if len(candidates) > 1:
            return ClarifyTopic(about, candidates)
    match course:
        case Course.ANSWER if matter.faq:
            return Answer(replace(about, topic=matter.faq[0]))
        case Course.EXCLUDE if topic == LOOSE_CONSENT:
            return HandOff(about, "loose_consent")
        case Course.EXCLUDE:
            return excluded(replace(about, category=next(c for c, _ in matter.categories if c.excluded)), catalogue)
        case Course.ASK_DETAILS:
            return ClarifyDetails(about)
        case Course.ASK_TOPIC:
            if matter.probability(Category.NEGLIGENCE) >= NOT_UNLIKELY:
                # Nobody is asked whether they were negligent: people judge that, and the fault is taken up as it is told.
                covered = next((c for c, _ in matter.categories if c.in_scope), Category.ERROR_REPORT)
                return OpenTicket(replace(about, category=covered, topic=_of(covered, matter)), "judge")
            candidates = _candidates(matter, catalogue)
            if len(candidates) > 1:
                return ClarifyTopic(about, candidates)
            if len(matter.text.split()) < SAYS_SOMETHING:
                return ClarifyDetails(about)
            return HandOff(about, "unsure")
        case Course.SMALL_TALK:
            return SmallTalk(about, _small_talk_key(matter, catalogue))
        case Course.DECLINE:
            return Decline(about)
        case Course.HAND_OFF:
            return HandOff(about, "person" if matter.category is Category.HUMAN_REQUEST else "unsure")
        case _:
            return ticket(about, catalogue)


def _names_only(matter: Matter) -> bool:
    """One word names a subject, not what is wanted of it; unless that is just how customers are known to ask for it."""
    return len(matter.text.split()) == 1 and matter.source == "statistical"


def on_topic(topic_id: str, text: str, catalogue: Catalogue) -> Decision:
    """The customer has said which topic is meant, so there is no doubt left to weigh."""
    topic = catalogue.topics[topic_id]
    about = About(text=text, category=topic.category, topic=topic_id, confidence=1.0)
    if topic.is_faq:
        return Answer(about)
    if topic.category.excluded:
        return excluded(about, catalogue)
    if topic.category is Category.HUMAN_REQUEST:
        return HandOff(about, "person")
    return ticket(about, catalogue)


def ticket(about: About, catalogue: Catalogue) -> OpenTicket:
    topic = catalogue.topics.get(about.topic or "")
    reason = REASONS.get(about.category, "unsure") if about.category else "unsure"
    return OpenTicket(about, reason, topic.priority if topic else Priority.NORMAL)


def excluded(about: About, catalogue: Catalogue) -> Exclude:
    assert about.category is not None
    topic = catalogue.topics.get(about.topic or "")
    clause = topic.clause if topic and topic.category is about.category else None
    return Exclude(about, clause or about.category.value.split(".")[1])


def combined(decisions: list[Decision]) -> tuple[Decision, ...]:
    """Chat beside a real matter is left out, what is the same is said once, and one ticket takes all that a person must read."""
    real: list[Decision] = [d for d in decisions if not isinstance(d, SmallTalk | Decline | ClarifyDetails)]
    if not real:
        return tuple(decisions[:1])
    for_people = [d for d in real if needs_ticket(d)]
    if for_people:
        # Whoever reads the ticket reads all of the message, so nothing has to be asked beside it.
        asked = [d for d in real if isinstance(d, ClarifyTopic)]
        one = _merged(for_people, "\n".join(d.about.text for d in real if d in for_people or d in asked))
        others = [d for d in real if d not in for_people and d not in asked]
        real = [one, *others]
    elif len(asked := [d for d in real if isinstance(d, ClarifyTopic)]) > 1:
        real = [d for d in real if d not in asked[1:]]
    unique: dict[tuple[str, str | None], Decision] = {}
    for decision in real:
        about = decision.about
        unique.setdefault((decision.kind, about.topic if isinstance(decision, Answer) else about.category), decision)
    return tuple(unique.values())


def _merged(decisions: list[Decision], text: str) -> Decision:
    """The fault is what the ticket is about; the wish for a person is honoured all the same, and liability is left to people."""
    if judged := next((d for d in decisions if isinstance(d, Exclude)), None):
        return replace(judged, about=replace(judged.about, text=text))
    tickets = [d for d in decisions if isinstance(d, OpenTicket)]
    first = next((t for t in tickets if t.about.category is not Category.HUMAN_REQUEST), tickets[0])
    about = replace(first.about, text=text)
    if any(isinstance(t, HandOff) and t.reason == "person" for t in tickets) and len(tickets) > 1:
        return HandOff(about, "person", first.priority)
    return replace(first, about=about)


def _small_talk_key(matter: Matter, catalogue: Catalogue) -> str:
    topics = (catalogue.topics[candidate.topic] for candidate in matter.topics)
    return next((topic.id for topic in topics if topic.category is Category.SMALL_TALK), "greeting")


def _candidates(matter: Matter, catalogue: Catalogue) -> tuple[str, ...]:
    """The topics to choose from: the likeliest requests that a customer can tell apart by their titles."""
    topics = (catalogue.topics[candidate.topic] for candidate in matter.topics)
    offered = (t for t in topics if not t.vague and t.category is not Category.NEGLIGENCE and t.id != LOOSE_CONSENT)
    return tuple(t.id for t in offered if t.category.in_scope or t.category.excluded)[:CANDIDATES]
