"""Explains what the bot would do about one message: what it understood, what it weighed, and why not the next best.

It must not know how the explanation is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from bot.agreement.agreement import Costs
from bot.catalogue.catalogue import Catalogue
from bot.dialogue.decisions import Answer, Decision
from bot.dialogue.judge import Course, judge
from bot.dialogue.matters import on_matter
from bot.evaluation.judging import action_of
from bot.evaluation.wording import got, origin
from bot.model import Category, Language, Matter, Prediction

NEGLIGIBLE = 0.005
ALIKE = 0.2  # below this, that an example is the nearest says nothing

_COURSES = {
    Course.ANSWER: "give an article",
    Course.TICKET: "open a ticket",
    Course.EXCLUDE: "say that this is not covered",
    Course.ASK_TOPIC: "ask which topic is meant",
    Course.ASK_DETAILS: "ask for details",
    Course.HAND_OFF: "hand over to a person",
    Course.SMALL_TALK: "give a friendly word",
    Course.DECLINE: "say that this is not what the helpdesk is for",
}
_RISKS = {
    "wrongful_refusal": "it could be covered, and the customer would be told it is not",
    "missed_exclusion": "it could be excluded, and would be treated as covered",
    "wrong_answer": "the customer could read something that does not fit",
    "needless_hand_off": "a person could be bothered for nothing",
    "clarification": "the customer would have to answer a question",
    "ignored": "a request could be taken for chat and left lying",
}
_SOURCES = {
    "exact": "an example says the same",
    "fuzzy": "an example says nearly the same",
    "statistical": "learned from all examples together",
}


@dataclass(frozen=True, slots=True)
class Weighed:
    """A course with its expected cost, and the costs of agreement.yaml that it is made of, the greatest first."""

    course: Course
    expected: float
    risks: tuple[tuple[str, float], ...]

    @property
    def words(self) -> str:
        return _COURSES.get(self.course, self.course.value)

    def than(self, best: Weighed) -> str:
        """Why ``best`` was chosen rather than this."""
        risk = f", mostly because {_RISKS[self.risks[0][0]]}" if self.risks else ""
        return f"Why not {self.words}? It is expected to cost {self.expected:.2f} instead of {best.expected:.2f}{risk}."


@dataclass(frozen=True, slots=True)
class Example:
    """An example that weighed in, with its place and the category of its topic."""

    text: str
    place: str
    topic: str
    category: Category
    similarity: float


@dataclass(frozen=True, slots=True)
class Explained:
    """One matter of the message. ``weighed`` has every course, the cheapest first."""

    matter: Matter
    decision: Decision
    weighed: tuple[Weighed, ...]
    examples: tuple[Example, ...]
    products: tuple[str, ...]

    @property
    def outcome(self) -> str:
        """What the customer gets, as a sentence without its full stop."""
        faq = self.decision.about.topic if isinstance(self.decision, Answer) else None
        return f"The customer {got(action_of(self.decision), faq)}"

    @property
    def certainty(self) -> str:
        p = self.matter.confidence
        words = "almost certain" if p >= 0.9 else "fairly sure" if p >= 0.7 else "not sure" if p >= 0.45 else "guessing"
        return f"{words} ({p:.0%})"

    @property
    def decided_by(self) -> str:
        return _SOURCES.get(self.matter.source, self.matter.source)

    @property
    def why_not(self) -> tuple[str, ...]:
        """What speaks against the second category, the second course, and what the two categories would lead to by themselves."""
        runner_up = next(iter(self.matter.categories[1:]), None)
        if runner_up is None or runner_up[1] < NEGLIGIBLE:
            return ("Nothing else comes near.",)
        category, p = runner_up
        like = next((e for e in self.examples if e.category is category), None)
        near = (
            f'; the nearest example of it is "{like.text}" ({like.place}, {like.similarity:.0%} alike)' if like else ""
        )
        best = self.weighed[0]
        natural = {self.weighed[1].course, _course_of(self.matter.category), _course_of(category)}
        others = [w for w in self.weighed[1:] if w.course in natural]
        return (f"It could also be {category.value}, but only with {p:.0%}{near}.", *(w.than(best) for w in others))

    def data(self) -> Mapping[str, object]:
        """The same for programs."""
        runner_up = self.matter.categories[1] if len(self.matter.categories) > 1 else None
        return {
            "text": self.matter.text,
            "category": self.matter.category.value,
            "confidence": round(self.matter.confidence, 4),
            "runner_up": {"category": runner_up[0].value, "probability": round(runner_up[1], 4)} if runner_up else None,
            "topics": [{"topic": c.topic, "probability": round(c.probability, 4)} for c in self.matter.topics],
            "faq": {"topic": self.matter.faq[0], "probability": round(self.matter.faq[1], 4)}
            if self.matter.faq
            else None,
            "vague": round(self.matter.vague, 4),
            "source": self.matter.source,
            "action": action_of(self.decision),
            "outcome": self.outcome,
            "why_not": list(self.why_not),
            "costs": {w.course.value: {"expected": round(w.expected, 4), "of": dict(w.risks)} for w in self.weighed},
            "examples": [
                {"text": e.text, "place": e.place, "topic": e.topic, "similarity": round(e.similarity, 4)}
                for e in self.examples
            ],
            "products": list(self.products),
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """The whole message; ``language`` is None when it does not show one."""

    language: Language | None
    matters: tuple[Explained, ...]


def tried(prediction: Prediction, catalogue: Catalogue) -> Trial:
    """Each matter by itself, as the first message of an entitled customer."""
    return Trial(prediction.language, tuple(_explained(matter, catalogue) for matter in prediction.matters))


def _explained(matter: Matter, catalogue: Catalogue) -> Explained:
    return Explained(
        matter=matter,
        decision=on_matter(matter, catalogue),
        weighed=_weighed(matter, catalogue.agreement.costs),
        examples=tuple(
            Example(n.text, origin(n, catalogue), n.topic, catalogue.topics[n.topic].category, n.similarity)
            for n in matter.nearest
            if n.similarity >= ALIKE and n.topic in catalogue.topics
        ),
        products=tuple(_product(name, catalogue) for name in matter.products),
    )


def _weighed(matter: Matter, costs: Costs) -> tuple[Weighed, ...]:
    """Expected costs are sums over the table of costs, so each part shows when all other costs are nothing."""
    nothing = dict.fromkeys((field.name for field in fields(Costs)), 0.0)
    parts = {name: dict(judge(matter, Costs(**{**nothing, name: getattr(costs, name)})).expected) for name in nothing}
    return tuple(
        Weighed(
            course,
            expected,
            tuple(
                sorted(
                    ((name, round(part[course], 4)) for name, part in parts.items() if part.get(course, 0) > 0.005),
                    key=lambda risk: -risk[1],
                )
            ),
        )
        for course, expected in judge(matter, costs).expected
    )


def _course_of(category: Category) -> Course:
    """What a category leads to where nothing speaks against it."""
    if category.excluded:
        return Course.EXCLUDE
    others = {
        Category.SMALL_TALK: Course.SMALL_TALK,
        Category.OUT_OF_DOMAIN: Course.DECLINE,
        Category.HUMAN_REQUEST: Course.HAND_OFF,
    }
    return others.get(category, Course.TICKET)


def _product(name: str, catalogue: Catalogue) -> str:
    ours = catalogue.company.products.get(name)
    names = ours or catalogue.company.third_party.get(name) or (name,)
    return f"{names[0]} ({'ours' if ours else 'not ours'})"
