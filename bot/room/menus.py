"""What is offered below a card beyond its first buttons: priority, assignee, category, prepared texts. Pure.

A menu is a message with buttons that changes as one goes on in it. It must not know how it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.catalogue.catalogue import Catalogue
from bot.desk.cards import plain
from bot.dialogue.voice import Voice
from bot.model import Button, Category, Command, Language, Person, Priority, Ticket
from bot.room import orders

SECTIONS = ("priority", "assign", "category", "canned")
_FITS = re.compile(r"[a-z0-9_.:-]+")
LONGEST_ACTION = 60


def commands(catalogue: Catalogue, language: Language) -> tuple[Command, ...]:
    """What staff may type, for a platform that shows a menu of it."""
    voice = Voice(catalogue, language)
    return tuple(
        Command(word, verb, language, plain(voice, f"room_help.{verb}").replace("`", ""))
        for verb, word in orders.commands().items()
    )


@dataclass(frozen=True, slots=True)
class Menu:
    text: str
    buttons: tuple[Button, ...]


def menu(
    ticket: Ticket, section: str, voice: Voice, colleagues: Sequence[Person] = (), canned: Sequence[str] = ()
) -> Menu:
    """The menu of a ticket, at its top or in one of its sections."""

    def button(label: str, verb: str, argument: str = "") -> Button:
        return Button(label, f"staff:{verb}:{ticket.number}" + (f":{argument}" if argument else ""))

    back = button(plain(voice, "menu.back"), "menu", "top")
    match section:
        case "priority":
            choices = [button(plain(voice, f"priority.{p.value}"), "priority", p.value) for p in Priority]
        case "assign":
            choices = [button(person.name, "assign", person.id) for person in colleagues]
        case "category":
            choices = [button(plain(voice, f"category.{c.value}"), "category", c.value) for c in Category]
        case "canned":
            choices = [button(key, "canned", key) for key in canned]
        case _:
            offered = [s for s in SECTIONS if s != "canned" or canned]
            return Menu(plain(voice, "menu.top"), tuple(button(plain(voice, f"menu.{s}"), "menu", s) for s in offered))
    fitting = [c for c in choices if len(c.action) <= LONGEST_ACTION and _FITS.fullmatch(c.action)]
    return Menu(plain(voice, f"menu.{section}_which"), (*fitting, back))
