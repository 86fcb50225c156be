"""The classifier of the bot: reads a message, looks for its words among the examples, asks the model, tells its matters apart.

It must not know what the bot does about a matter, nor where the catalogue comes from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.catalogue.catalogue import Catalogue
from bot.errors import CatalogueError
from bot.model import Candidate, Category, Matter, Neighbour, Prediction
from bot.nlu.encoder import Encoder
from bot.nlu.kernel import Floats
from bot.nlu.language import Detector
from bot.nlu.lexical import Lexicon, Match
from bot.nlu.products import Products
from bot.nlu.ranking import top
from bot.nlu.split import Judged, split
from bot.nlu.statistical import Model, Scores
from bot.nlu.text import Piece, read

_EXACT, _FUZZY = 0.98, 0.9  # how far a repeated example is believed
_FAQ_FLOOR = 0.05  # below this an article is not worth naming
_TOPICS = 5
_CATEGORIES = tuple(Category)


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of the model: examples of one topic that have one category."""

    topic: str
    category: Category

    @property
    def label(self) -> str:
        return f"{self.topic} {self.category.value}"

    @classmethod
    def of(cls, label: str) -> Kind:
        topic, _, category = label.rpartition(" ")
        return cls(topic, Category(category))


@dataclass(frozen=True, slots=True)
class Trained:
    """What is learned from a catalogue and kept in the cache."""

    model: Model
    detector: Detector

    @classmethod
    def train(cls, catalogue: Catalogue, encoder: Encoder) -> Trained:
        """Learn from the examples. Raises CatalogueError when there are none."""
        examples = catalogue.examples
        if not examples:
            raise CatalogueError("The catalogue has no examples to learn from.")
        texts = [read(example.text).text for example in examples]
        labels = [Kind(example.topic, example.category).label for example in examples]
        # a category is not only the sum of its topics, and what says too little is a kind of its own whatever it is filed under
        groups = ["vague" if catalogue.topics[e.topic].vague else e.category.value for e in examples]
        return cls(
            Model.train(texts, labels, encoder.encode(texts), groups),
            Detector.train(texts, [example.language for example in examples]),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {**self.model.arrays(), **self.detector.arrays()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Trained:
        return cls(Model.from_arrays(arrays), Detector.from_arrays(arrays))


class CascadeClassifier:
    """Fulfils bot.ports.Classifier. Holds nothing that changes, so any number of threads may use it."""

    def __init__(self, catalogue: Catalogue, encoder: Encoder, trained: Trained) -> None:
        self._version = catalogue.version
        self._examples = catalogue.examples
        self._encoder = encoder
        self._model = trained.model
        self._detector = trained.detector
        self._lexicon = Lexicon(
            [read(example.text).text for example in self._examples],
            [Kind(example.topic, example.category).label for example in self._examples],
        )
        self._products = Products(catalogue.company.products, catalogue.company.third_party)
        kinds = tuple(map(Kind.of, trained.model.labels))
        self._topics = tuple(dict.fromkeys(kind.topic for kind in kinds))
        topics = catalogue.topics
        self._category_of = np.array([_CATEGORIES.index(kind.category) for kind in kinds])
        number = {topic: row for row, topic in enumerate(self._topics)}
        self._topic_of = np.array([number[kind.topic] for kind in kinds])
        self._topic_category = {topic: topics[topic].category for topic in self._topics}
        self._is_faq = np.array([topics[topic].is_faq for topic in self._topics])
        self._is_vague = np.array([topics[topic].vague for topic in self._topics])
        self._kind_row = {label: row for row, label in enumerate(trained.model.labels)}

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        """What each text is about, see bot.ports.Classifier."""
        readings = [read(text).pieces or (Piece(0, len(text), ""),) for text in texts]
        # As few times as can be: what the model weighs is read from memory for each time, not for each text.
        first = iter(
            self._judge(
                [_join(pieces) for pieces in readings]
                + [piece for pieces in readings if len(pieces) > 1 for piece in pieces]
            )
        )
        wholes = [next(first) for _ in readings]
        predictions = []
        grouped: list[list[Matter | Piece]] = []
        for pieces, whole in zip(readings, wholes, strict=True):
            judged = [next(first) for _ in pieces] if len(pieces) > 1 else []
            found = split([Judged(piece.text, matter) for piece, matter in zip(pieces, judged, strict=False)], whole)
            whole_again = len(found) < 2 and len(found[0]) == len(judged)
            grouped.append([] if whole_again else [_together(group, pieces, judged) for group in found])
        rest = iter(self._judge([each for group in grouped for each in group if isinstance(each, Piece)]))
        for pieces, whole, group in zip(readings, wholes, grouped, strict=True):
            matters = tuple(next(rest) if isinstance(each, Piece) else each for each in group)
            if not matters or (len(matters) > 1 and len({matter.category for matter in matters}) < 2):
                matters = (whole,)
            predictions.append(Prediction(matters, self._detector.detect(_join(pieces).text), self._version))
        return predictions

    def _judge(self, pieces: Sequence[Piece]) -> list[Matter]:
        """Each piece as if it were a message with one matter.

        Many say the same: a request is asked about alone, and as a piece of what it is together with the answer to a question.
        """
        if not pieces:
            return []
        said = self._judged(list(dict.fromkeys(piece.text for piece in pieces)))
        return [replace(said[piece.text], start=piece.start, end=piece.end) for piece in pieces]

    def _judged(self, texts: Sequence[str]) -> dict[str, Matter]:
        scores = self._model.predict(texts, self._encoder.encode(texts))
        matches = [self._lexicon.find(text) for text in texts]
        kinds = np.stack([self._believed(*each) for each in zip(scores.probabilities, matches, strict=True)])
        categories = _summed(kinds, self._category_of, len(_CATEGORIES))
        topics = _summed(kinds, self._topic_of, len(self._topics))
        ranked, likely = top(categories, len(_CATEGORIES)), top(topics, _TOPICS)
        vague = topics @ self._is_vague
        return {
            text: Matter(
                start=0,
                end=len(text),
                text=text,
                categories=tuple((_CATEGORIES[i], float(categories[row, i])) for i in ranked[row]),
                topics=tuple(
                    Candidate(self._topics[i], self._topic_category[self._topics[i]], float(topics[row, i]))
                    for i in likely[row]
                ),
                faq=self._faq(topics[row]),
                vague=float(vague[row]),
                source="statistical" if match is None else "exact" if match.similarity == 1 else "fuzzy",
                nearest=self._nearest(scores, row, match),
                products=self._products.find(text),
            )
            for row, (text, match) in enumerate(zip(texts, matches, strict=True))
        }

    def _believed(self, kinds: Floats, match: Match | None) -> Floats:
        """The probabilities of the kinds when ``match`` is believed too."""
        if match is None:
            return kinds
        belief = _EXACT if match.similarity == 1 else _FUZZY
        example = self._examples[match.row]
        repeated = np.zeros_like(kinds)
        repeated[self._kind_row[Kind(example.topic, example.category).label]] = 1
        return belief * repeated + (1 - belief) * kinds

    def _faq(self, topics: NDArray[np.float64]) -> tuple[str, float] | None:
        if not self._is_faq.any():
            return None
        best = int(np.argmax(np.where(self._is_faq, topics, -1)))
        return (self._topics[best], float(topics[best])) if topics[best] >= _FAQ_FLOOR else None

    def _nearest(self, scores: Scores, row: int, match: Match | None) -> tuple[Neighbour, ...]:
        found = [(match.row, match.similarity)] if match else []
        found += [
            (int(i), float(s))
            for i, s in zip(scores.nearest[row], scores.similarity[row], strict=True)
            if not match or i != match.row
        ]
        return tuple(
            Neighbour(self._examples[i].text, self._examples[i].topic, min(1.0, max(0.0, similarity)))
            for i, similarity in found[:_TOPICS]
        )


def _summed(kinds: Floats, of: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Probabilities of kinds (n, k) summed to those of the ``count`` things that the kinds are ``of`` (k,), shape (n, count)."""
    return np.stack([np.bincount(of, row, minlength=count) for row in kinds])


def _together(group: Sequence[int], pieces: Sequence[Piece], judged: Sequence[Matter]) -> Matter | Piece:
    """What is to be judged as one; of a single piece it is known already what it is."""
    return judged[group[0]] if len(group) == 1 and judged else _join([pieces[i] for i in group])


def _join(pieces: Sequence[Piece]) -> Piece:
    return Piece(pieces[0].start, pieces[-1].end, " ".join(piece.text for piece in pieces))
