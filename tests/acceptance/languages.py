"""Which language a paragraph of the bot is in, told by the texts themselves rather than by guessing."""

from __future__ import annotations

import re

from bot.catalogue.catalogue import Catalogue
from bot.model import LANGUAGES, Language

_GAP = re.compile(r"\\\{[a-z_.]+\\\}")


class Sentences:
    def __init__(self, catalogue: Catalogue) -> None:
        self._known: dict[Language, list[re.Pattern[str]]] = {}
        for language in LANGUAGES:
            texts = {*catalogue.texts[language].values(), *catalogue.informal.get(language, {}).values()}
            paragraphs = {paragraph for text in texts for paragraph in text.split("\n\n") if len(paragraph) > 20}
            self._known[language] = [
                re.compile(_GAP.sub(".*", re.escape(paragraph)), re.DOTALL) for paragraph in paragraphs
            ]

    def only_of(self, language: Language, paragraph: str) -> bool:
        """Whether ``paragraph`` is a text of ``language`` and of no other."""
        found = {each for each in LANGUAGES if any(known.fullmatch(paragraph) for known in self._known[each])}
        return found == {language}
