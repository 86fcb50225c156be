"""The Catalogue: everything that admins own, as one frozen value that is swapped in whole.

It must not know files, YAML or how messages are classified.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.agreement.agreement import Agreement
from bot.model import Address, Category, Language, Priority


@dataclass(frozen=True, slots=True)
class Example:
    """One utterance as customers write it.

    ``category`` is the topic's, except for symptoms, which report a fault (in_scope.error_report) although the topic's article is
    the right first answer. ``file`` is relative to the intents folder, ``line`` counts from 1.
    """

    text: str
    language: Language
    topic: str
    category: Category
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class TopicButton:
    """A button under an answer that leads to another topic."""

    label: Mapping[Language, str]
    topic: str


@dataclass(frozen=True, slots=True)
class Topic:
    """One intent: what customers want, how they say it, and the approved answer if there is one.

    ``vague``: such messages say too little; the bot asks. ``clause`` names a clause of the agreement. ``answer`` is Markdown with
    ``{company.*}`` placeholders; a line whose placeholder has no value is left out.
    """

    id: str
    title: Mapping[Language, str]
    category: Category
    owner: str
    file: str
    answer: Mapping[Language, str] | None = None
    source: str | None = None
    clause: str | None = None
    priority: Priority = Priority.NORMAL
    vague: bool = False
    follow_ups: tuple[str, ...] = ()
    buttons: tuple[TopicButton, ...] = ()
    examples: tuple[Example, ...] = ()
    checks: tuple[Example, ...] = ()

    @property
    def is_faq(self) -> bool:
        return self.answer is not None


@dataclass(frozen=True, slots=True)
class Company:
    """The company's own data. ``values`` maps ``company.<key>`` to its text per language, or None where it is to be filled in.

    ``products`` maps the id of each product to its names and aliases; ``third_party`` the same for products of others.
    """

    values: Mapping[str, Mapping[Language, str] | None]
    products: Mapping[str, tuple[str, ...]]
    third_party: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """``version`` is the first 12 hexadecimal digits of a SHA-256 over the names and bytes of all intent files.

    ``informal`` holds, of ``texts``, those that read differently to people who are not spoken to formally.
    """

    version: str
    topics: Mapping[str, Topic]
    agreement: Agreement
    company: Company
    texts: Mapping[Language, Mapping[str, str]]
    informal: Mapping[Language, Mapping[str, str]] = field(default_factory=dict)

    def text(self, language: Language, key: str, address: Address = "sie") -> str:
        """What the bot says under ``key``. Raises KeyError."""
        informal = self.informal.get(language, {}) if address == "du" else {}
        return informal.get(key) or self.texts[language][key]

    @property
    def examples(self) -> tuple[Example, ...]:
        return tuple(example for topic in self.topics.values() for example in topic.examples)

    @property
    def faqs(self) -> tuple[Topic, ...]:
        return tuple(topic for topic in self.topics.values() if topic.is_faq)
