"""The words in which admins are told what the bot did: actions, mistakes, and where an example stands.

It must not know whether they are printed or put into a page.
"""

from __future__ import annotations

from bot.catalogue.catalogue import Catalogue
from bot.evaluation.judging import Judged
from bot.model import Neighbour

FIGURES = {
    "rows": "messages",
    "wrongful_refusals": "covered, but told it is not (wrongful refusals)",
    "missed_exclusions": "not covered, but treated as covered (missed exclusions)",
    "accuracy": "category right",
    "accuracy_lenient": "category right or defensible",
    "macro_f1": "macro F1 over the categories",
    "faq_hit": "right article chosen where there is one",
    "false_faq": "an article given where none fits",
    "clarify_hit": "unclear messages asked back",
    "needless_clarifications": "clear messages asked back",
    "needless_hand_offs": "given to a person though the bot could have dealt with it",
    "ece": "calibration error of the probabilities",
}
"""The figures in the order in which they are shown, the worst errors first."""

COSTS = {
    "wrongful_refusals": "wrongful refusals",
    "missed_exclusions": "missed exclusions",
    "wrong_articles": "wrong articles",
    "needless_clarifications": "needless questions",
    "needless_hand_offs": "needless hand-offs",
    "ignored": "taken for chat",
}
"""The consequences that other costs change, by their keys."""

_ACTIONS = {
    "answer": "gets the article {faq}",
    "clarify": "is asked a question",
    "exclude": "is told that this is not covered",
    "ticket": "gets a ticket",
    "hand_off": "is handed to a person",
    "small_talk": "gets a friendly word",
    "decline": "is told that this is not what the helpdesk is for",
}


def got(action: str, faq: str | None) -> str:
    """What the customer gets, as the end of a sentence that begins with "the customer"."""
    return _ACTIONS.get(action, action).format(faq=faq or "")


def figure(key: str, value: float | None) -> str:
    """A figure as it is read: counts as they are, shares in percent, a dash where there was nothing."""
    if value is None:
        return "–"
    return str(value) if key == "rows" else f"{value:.1%}"


def mistake(j: Judged) -> str:
    """What is wrong about it, in two or three words."""
    if j.refused:
        return "wrongly refused"
    if j.missed:
        return "exclusion missed"
    if j.misinformed:
        return "wrong article"
    return "wrong category"


def story(j: Judged) -> str:
    """What it was, what it was taken for, and what came of it, in two sentences."""
    truth = f"It is {j.row.category.value}" + (f", article {j.row.faq}" if j.row.faq else "")
    blamed = j.blamed
    runner = f", runner-up {blamed.categories[1][0].value}" if len(blamed.categories) > 1 else ""
    taken = f"for {blamed.category.value} ({blamed.confidence:.0%} sure{runner})"
    count = len(j.understood.matters)
    read = f"took it {taken}" if count == 1 else f'read {count} matters in it and took "{blamed.text}" {taken}'
    return f"{truth}. The bot {read}, so the customer {got(j.action, j.faq)}."


def origin(neighbour: Neighbour, catalogue: Catalogue) -> str:
    """Where the example stands, ``faq/opening_hours.yaml:12``; the topic where it cannot be found."""
    topic = catalogue.topics.get(neighbour.topic)
    examples = topic.examples if topic else ()
    return next((f"{e.file}:{e.line}" for e in examples if e.text == neighbour.text), neighbour.topic)
