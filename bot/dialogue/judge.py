"""From what a matter probably is to what to do about it, at the least expected cost.

The costs come from the agreement; nothing here is a threshold of taste. Pure: it must not know the conversation.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.agreement.agreement import Costs
from bot.model import Category, Matter


class Course(StrEnum):
    """What can be done about a matter before the conversation has its say."""

    ANSWER = "answer"
    TICKET = "ticket"
    EXCLUDE = "exclude"
    ASK_TOPIC = "ask_topic"
    ASK_DETAILS = "ask_details"
    HAND_OFF = "hand_off"
    SMALL_TALK = "small_talk"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True)
class Judgement:
    """``course`` is the cheapest; ``expected`` has the expected cost of each course that was weighed, cheapest first."""

    course: Course
    expected: tuple[tuple[Course, float], ...]


def judge(matter: Matter, costs: Costs) -> Judgement:
    """Weigh every course by what it would cost for each thing that the matter may be."""
    covered = sum(p for c, p in matter.categories if c.in_scope)
    excluded = sum(p for c, p in matter.categories if c.excluded)
    chat = matter.probability(Category.SMALL_TALK)
    foreign = matter.probability(Category.OUT_OF_DOMAIN)
    person = matter.probability(Category.HUMAN_REQUEST)
    best_exclusion = max((p for c, p in matter.categories if c.excluded), default=0.0)
    article = matter.faq[1] if matter.faq else 0.0
    asking = costs.clarification
    needless = costs.needless_hand_off

    expected = {
        # An article is a wrong answer wherever it does not fit, whatever else the message is.
        Course.ANSWER: (1 - article) * costs.wrong_answer + excluded * (1 - article) * costs.missed_exclusion,
        # A person reads a ticket, so it is only work done in vain where an article would have done, or nothing was asked.
        Course.TICKET: excluded * costs.missed_exclusion
        + (chat + foreign + person + covered * article) * needless
        + matter.vague * asking * 2,
        # A wrong kind of exclusion is explained wrongly, which is a wrong answer, not a wrongful refusal.
        Course.EXCLUDE: (covered + person) * costs.wrongful_refusal
        + (excluded - best_exclusion) * costs.wrong_answer
        + (chat + foreign) * needless,
        Course.SMALL_TALK: (1 - chat) * costs.ignored,
        Course.DECLINE: (covered + person) * costs.wrongful_refusal + excluded * costs.wrong_answer + chat * asking,
        Course.HAND_OFF: (1 - person) * needless + (chat + foreign) * needless + matter.vague * asking,
        # Asking costs the customer a turn; where the matter is clear already it gains nothing, so it costs that turn twice.
        Course.ASK_TOPIC: asking + (person + chat + foreign) * asking + matter.vague * asking,
        Course.ASK_DETAILS: asking * (2 - 2 * matter.vague) + (person + chat) * costs.wrong_answer,
    }
    ranked = tuple(sorted(expected.items(), key=lambda item: item[1]))
    return Judgement(ranked[0][0], ranked)
