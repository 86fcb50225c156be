"""speak(): from decisions to the words that the customer reads. Pure.

Every sentence comes from the intent files. What staff alone may see never passes through here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.catalogue.answers import render_answer
from bot.catalogue.catalogue import Catalogue, Topic
from bot.dialogue import actions
from bot.dialogue.decisions import (
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
)
from bot.model import Button, Category, Language, Priority

FOLLOW_UPS = 2
_PLACEHOLDER = re.compile(r"\{([a-z_.]+)\}")
_MARKUP = re.compile(r"([\\`*_\[\]<>])")


@dataclass(frozen=True, slots=True)
class Reply:
    """``text`` is Markdown."""

    text: str
    buttons: tuple[Button, ...] = ()


def speak(
    decisions: Sequence[Decision],
    catalogue: Catalogue,
    language: Language,
    tickets: Mapping[int, str],
) -> Reply | None:
    """One reply to all decisions, None for silence; ``tickets`` has, by index, the key of the ticket that a decision concerns."""
    said = [_Voice(catalogue, language, tickets.get(i)).on(decision) for i, decision in enumerate(decisions)]
    replies = [reply for reply in said if reply is not None]
    if not replies:
        return None
    buttons = dict.fromkeys(button for reply in replies for button in reply.buttons)
    return Reply("\n\n".join(reply.text for reply in replies), tuple(buttons))


def notice(catalogue: Catalogue, language: Language, key: str, ticket: str, **values: str) -> Reply:
    """A sentence of the texts that is said on account of the desk, not in reply to a message."""
    return Reply(_Voice(catalogue, language, ticket).text(key, **values))


@dataclass(frozen=True, slots=True)
class _Voice:
    catalogue: Catalogue
    language: Language
    ticket: str | None

    def text(self, key: str, **values: str) -> str:
        company = {
            name.removeprefix("company."): value[self.language]
            for name, value in self.catalogue.company.values.items()
            if value is not None
        }
        known = {"company": company.get("name", ""), "remote_tool": company.get("remote_tool", "")}
        known |= {"ticket": self.ticket or ""} | values
        # A value is data, not markup: what it contains must not turn into bold, a link or a mention.
        return _PLACEHOLDER.sub(lambda m: _MARKUP.sub(r"\\\1", known[m[1]]), self.catalogue.texts[self.language][key])

    def button(self, key: str, action: str) -> Button:
        return Button(self.text(f"button.{key}"), action)

    def on(self, decision: Decision) -> Reply | None:
        match decision:
            case Answer(about):
                return self.answer(self.catalogue.topics[about.topic or ""])
            case ClarifyDetails(about, attempt):
                vague_question = about.category is Category.USAGE and attempt == 1
                key = "question" if vague_question else "details" if attempt == 1 else "details_again"
                return Reply(self.text(f"clarify.{key}"), (self.button("person", actions.PERSON),))
            case ClarifyTopic(_, candidates):
                options = [Button(self.catalogue.topics[c].title[self.language], actions.topic(c)) for c in candidates]
                none = self.button("none_of_these", actions.NONE_OF_THESE)
                return Reply(self.text("clarify.topic"), (*options, none))
            case Exclude():
                return self.exclude(decision)
            case OpenTicket():
                return self.opened(decision)
            case SmallTalk(_, key):
                return Reply(self.text(f"small_talk.{key}"))
            case Decline():
                return Reply(self.text("decline"))
            case Relay(_, announce, person):
                if not announce:
                    return None
                if person:
                    return Reply(self.text("relay.person"))
                return Reply(self.text("relay.added"), (self.button("new_matter", actions.NEW_MATTER),))
            case Ignore():
                return None

    def answer(self, topic: Topic) -> Reply:
        text = render_answer((topic.answer or {})[self.language], self.language, self.catalogue.company)
        if topic.source:
            text += "\n\n" + self.text("answer.source", source=topic.source)
        topics = self.catalogue.topics
        offered = [Button(b.label[self.language], actions.topic(b.topic)) for b in topic.buttons]
        offered += [Button(topics[t].title[self.language], actions.topic(t)) for t in topic.follow_ups]
        return Reply(
            text,
            (
                self.button("helped", actions.HELPED),
                self.button("not_helped", actions.NOT_HELPED),
                *offered[:FOLLOW_UPS],
            ),
        )

    def exclude(self, decision: Exclude) -> Reply:
        assert decision.about.category is not None
        kind = decision.about.category.value.split(".")[1]
        paragraphs = [self.text(f"exclude.{kind}")]
        if decision.about.category is Category.NEGLIGENCE:
            # Staff judge this, the bot never does: no clause is held against anybody, and there is nothing to refuse.
            return Reply("\n\n".join([*paragraphs, self.text("ticket.recorded")]))
        clause = self.catalogue.agreement.clauses[decision.clause]
        title = (
            clause.title[self.language] if clause.number is None else f"{clause.number} {clause.title[self.language]}"
        )
        paragraphs.append(self.text("exclude.clause", clause=title, version=self.catalogue.agreement.version))
        buttons = [self.button(f"arrange_{kind}", actions.ARRANGE)]
        if decision.about.category is not Category.LICENSE_DEFECT:
            buttons.append(self.button("contest", actions.CONTEST))
        else:
            buttons.append(self.button("person", actions.PERSON))
        buttons.append(self.button("no_thanks", actions.NO_THANKS))
        return Reply("\n\n".join(paragraphs), tuple(buttons))

    def opened(self, decision: OpenTicket) -> Reply:
        match decision.reason:
            case "contested":
                key = "contested"
            case "arrange":
                key = "arranged"
            case "person":
                key = "handed_off" if decision.about.category is Category.HUMAN_REQUEST else "handed_off_matter"
            case "operation" | "usage":
                key = "opened_question"
            case _ if isinstance(decision, HandOff):
                key = "handed_off_matter"
            case _:
                key = "opened_high" if decision.priority is Priority.HIGH else "opened"
        return Reply(self.text(f"ticket.{key}"))
