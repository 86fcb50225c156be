"""A ticket in a few lines for whoever takes it over: from its facts and the talk so far, each word from there. Pure.

Nothing is made up and nothing is weighed: what the customer said first and last, what they stated, what the bot did about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bot.catalogue.catalogue import Catalogue
from bot.dialogue.voice import Voice, unmarked
from bot.model import Language, Ticket

LONGEST = 240
"""Characters of one quotation."""

FACTS = ("error", "since", "affected", "area", "attachments")

Speaker = Literal["customer", "bot", "staff", "note"]


@dataclass(frozen=True, slots=True)
class Said:
    """One utterance of a talk, or a note beside it. ``name`` is who said it; ``mark`` what became of it."""

    at: datetime
    speaker: Speaker
    name: str
    text: str
    mark: str | None = None


def summary(ticket: Ticket, talk: Sequence[Said], catalogue: Catalogue, language: Language) -> str:
    """Markdown: a list of short lines, for staff."""
    voice = Voice(catalogue, language, ticket.key)
    said = [line for line in talk if line.speaker == "customer" and line.text.strip() and line.mark != "deleted"]
    lines = [voice.text("summary.matter", text=quotation(ticket.facts.get("text") or ticket.subject))]
    stated = [f"{voice.text(f'fact.{key}')}: {ticket.facts[key]}" for key in FACTS if ticket.facts.get(key)]
    if stated:
        lines.append(voice.text("summary.stated", facts="; ".join(stated)))
    people = list(dict.fromkeys(line.name for line in said))
    if len(people) > 1:
        lines.append(voice.text("summary.people", names=", ".join(people)))
    newest = said[-1] if said else None
    if newest is not None and newest.text.strip() not in ticket.facts.get("text", ""):
        lines.append(voice.text("summary.last", name=newest.name, text=quotation(newest.text)))
    answered = [line for line in talk if line.speaker in ("bot", "staff") and line.mark is None]
    if answered:
        last = answered[-1]
        words = unmarked(last.text) if last.speaker == "bot" else last.text
        lines.append(voice.text("summary.answered", name=last.name, text=quotation(words)))
    return "\n".join(f"- {line}" for line in lines)


def quotation(text: str) -> str:
    """The beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rsplit(" ", 1)[0] + "…"
