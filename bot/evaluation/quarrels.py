"""Topics that quarrel over the same sentences: near-duplicates in two categories, and topics that take others' examples.

It must not know YAML, nor change anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from bot.catalogue.catalogue import Catalogue, Topic
from bot.catalogue.problems import Problem
from bot.evaluation.folds import alike, key
from bot.evaluation.judging import Judged

NEAR = 90.0
"""Of 100. Above it two sentences differ by a typo or an ending, below it rather by a word that may well change the category."""
SHORTEST = 12  # characters; in shorter texts one letter changes the meaning
STOLEN, LEAST = 0.25, 3
"""The share of a topic's examples that another must take to be told of, and how many these must be at least."""


def contradictions(catalogue: Catalogue) -> Iterator[Problem]:
    """Examples that say nearly the same in different categories: the model can learn neither."""
    examples = catalogue.examples
    keys = [key(example) for example in examples]
    for left, right, likeness in alike(keys, NEAR):
        one, other = examples[left], examples[right]
        if (
            one.category is other.category
            or keys[left] == keys[right]
            or min(map(len, (keys[left], keys[right]))) < SHORTEST
        ):
            continue
        message = (
            f'"{other.text}" is {other.category} here, but {one.file}:{one.line} says nearly the same '
            f'({likeness:.0f} of 100) as {one.category}: "{one.text}"'
        )
        remedy = "Decide what such a sentence means, and delete or reword one of the two."
        yield Problem(other.file, other.line, 1, "warning", message, remedy)


def thefts(judged: Sequence[Judged], catalogue: Catalogue) -> Iterator[Problem]:
    """Topics that lose many of their examples to one other when these are not known; ``judged`` comes from cross-validation.

    Between two topics of one category without articles it makes no difference to the customer, so it is not told.
    """
    taken: dict[tuple[str, str], list[int]] = defaultdict(list)
    examples = catalogue.examples
    for row, j in enumerate(judged):
        thief = j.matter.topics[0].topic if j.matter.topics else examples[row].topic
        if thief != examples[row].topic:
            taken[examples[row].topic, thief].append(row)
    for (victim, thief), rows in taken.items():
        topic, other = catalogue.topics[victim], catalogue.topics[thief]
        count = len(topic.examples)
        if len(rows) < max(LEAST, STOLEN * count) or not _matters(topic, other):
            continue
        shown = "; ".join(f'"{examples[row].text}" (line {examples[row].line})' for row in rows[:3])
        message = (
            f"{len(rows)} of the {count} examples of the topic {victim} would be taken for {thief} ({other.file}) "
            f"if they were not known, such as {shown}"
        )
        remedy = "Write more examples that only this topic can have, or move those that belong there, or join the two topics."
        yield Problem(topic.file, examples[rows[0]].line, 1, "warning", message, remedy)


def _matters(topic: Topic, other: Topic) -> bool:
    return topic.category is not other.category or topic.is_faq or other.is_faq or topic.vague is not other.vague
