"""The words that customers may type instead of pressing a button, and what menus say about them. Pure.

It must not know how a platform shows a menu.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.catalogue.catalogue import Catalogue
from bot.dialogue import actions
from bot.model import LANGUAGES, Command, Language

NAMES: Mapping[Language, Mapping[str, str]] = {
    "de": {
        "hilfe": actions.HELP,
        "meine_tickets": actions.MY_TICKETS,
        "person": actions.PERSON,
        "neu": actions.NEW,
    },
    "en": {
        "help": actions.HELP,
        "tickets": actions.MY_TICKETS,
        "human": actions.PERSON,
        "new": actions.NEW,
    },
}
BEGIN = "start"
"""What Telegram says when somebody opens the chat for the first time."""


def commands(catalogue: Catalogue, first: Language) -> tuple[Command, ...]:
    """All commands of all languages, those of ``first`` first."""
    languages = sorted(LANGUAGES, key=lambda language: language != first)
    offered = (
        Command(
            name,
            action,
            language,
            catalogue.texts[language][f"command.{action}"],
            takes_words=action == actions.PERSON,  # who asks for a person and says why must get one all the same
        )
        for language in languages
        for name, action in NAMES[language].items()
    )
    return (*offered, Command(BEGIN, actions.HELP, first))
