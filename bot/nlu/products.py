"""Recognises products by the names and aliases that the company's file gives them, whatever their spelling.

It must not know what the agreement says of a product, nor languages or models.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from bot.nlu.text import UMLAUTS, clean

_WORD = re.compile(r"\w+")
_LONGEST = 4  # words of a name, "Azure Active Directory" and one to spare
_FUZZY = 6  # letters from which a name may be misspelt: among shorter words one letter makes another word
_LONG = 10  # letters from which it may be misspelt twice
_COMPOUND = 7  # letters from which a longer word that begins with a name is a German compound of it

# Names that are also words of everyday German or English: they count with a capital and without a typo.
_EVERYDAY_WORDS = """
access base box drive edge exchange files flow forms loop meet mobile notes numbers office one pages paint planner portal project
publisher share slack stream team teams whiteboard windows word zoom
"""
# After these a capital says nothing: "unsere Teams" are people.
_DETERMINERS = """
alle allen beide beiden deren die diese diesen einige einigen eure euren ihre ihren jene kein keine mehrere mehreren meine meinen
seine seinen unsere unseren verschiedene viele vielen wenige zwei drei vier all both few her his its many my our several some their
these those two three four your
"""
_EVERYDAY = frozenset(_EVERYDAY_WORDS.split())
_SEVERAL = frozenset(_DETERMINERS.split())


@dataclass(frozen=True, slots=True)
class _Word:
    """``key`` is the word without case and umlauts; ``loud``: begins with a capital that says something."""

    key: str
    loud: bool


class Products:
    """The products of one or more mappings from ids to names; safe to use from several threads."""

    def __init__(self, *named: Mapping[str, Sequence[str]]) -> None:
        self._ids: dict[str, str] = {}
        fuzzy: list[str] = []
        for names in named:
            for identifier, aliases in names.items():
                own: list[str] = []
                for alias in aliases:
                    keys = list(_keys(alias))
                    name = "".join(keys)
                    self._ids.setdefault(name, identifier)
                    # a usual typo that admins have listed is not to be misspelt once more
                    if (
                        len(name) >= _FUZZY
                        and not _EVERYDAY & set(keys)
                        and all(OSA.distance(name, n) > 2 for n in own)
                    ):
                        own.append(name)
                fuzzy += own
        self._ids.pop("", None)
        self._fuzzy = fuzzy
        self._reach = np.array([2 if len(name) >= _LONG else 1 for name in fuzzy], dtype=np.uint8)
        self._initials = {name[0] for name in fuzzy}
        self._longest = max(map(len, self._ids), default=0) + 2
        self._compound = re.compile("|".join(re.escape(n) for n in fuzzy if len(n) >= _COMPOUND) or "(?!)")

    def find(self, text: str) -> tuple[str, ...]:
        """The ids of the products that ``text`` names, in the order of the text, each once."""
        words = list(_words(text))
        keys = [word.key for word in words]
        spans = [
            (start, "".join(keys[start : start + count]))
            for start in range(len(words))
            for count in range(min(_LONGEST, len(words) - start), 0, -1)
        ]
        near = self._near([key for _, key in spans])
        heads = [self._head(key) for key in keys]
        found: dict[str, None] = {}
        for start, key in spans:
            name = key if key in self._ids else near.get(key) or heads[start]
            if name and (name not in _EVERYDAY or _is_name(words, start)):
                found.setdefault(self._ids[name])
        return tuple(found)

    def _near(self, keys: Iterable[str]) -> dict[str, str]:
        """For each misspelt key the name that is meant."""
        misspelt = {
            k for k in keys if _FUZZY <= len(k) <= self._longest and k[0] in self._initials and k not in self._ids
        }
        if not misspelt:
            return {}
        queries = sorted(misspelt)
        distance = cdist(queries, self._fuzzy, scorer=OSA.distance, score_cutoff=2, dtype=np.uint8)
        near: dict[str, str] = {}
        for row, column in zip(*np.nonzero(distance <= self._reach), strict=True):
            query, name = queries[row], self._fuzzy[column]
            if query[0] == name[0] and _digits(query) == _digits(name):
                near.setdefault(query, name)
        return near

    def _head(self, key: str) -> str | None:
        """The name that a German compound such as "Outlookkalender" begins with."""
        match = self._compound.match(key)
        return match.group() if match else None


def _is_name(words: Sequence[_Word], index: int) -> bool:
    return words[index].loud and not (index > 0 and words[index - 1].key in _SEVERAL)


def _words(text: str) -> Iterator[_Word]:
    cleaned = clean(text)
    shouted = cleaned.upper() == cleaned
    for match in _WORD.finditer(cleaned):
        word = match.group()
        yield _Word(_key(word), word[0].isupper() and not shouted)


def _keys(name: str) -> Iterator[str]:
    return (_key(match.group()) for match in _WORD.finditer(clean(name)))


def _key(word: str) -> str:
    return word.lower().translate(UMLAUTS)


def _digits(word: str) -> str:
    return "".join(filter(str.isdigit, word))
