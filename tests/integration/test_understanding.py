"""Classifying in small batches, off the event loop: one text that cannot be understood harms nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from bot.desk.understand import BATCH, REMEMBERED, Understanding
from bot.model import Category, Prediction
from bot.ports import Classifier
from tests.fakes import FakeClassifier, ShortClassifier
from tests.integration.desk import until


@dataclass
class Asking:
    """Whoever asks names the classifier; here it is the same one until it is replaced."""

    understanding: Understanding
    classifier: Classifier

    async def of(self, texts: Sequence[str]) -> list[Prediction]:
        return await self.understanding.of(texts, self.classifier)


@asynccontextmanager
async def _running(classifier: Classifier) -> AsyncIterator[Asking]:
    understanding = Understanding()
    task = asyncio.create_task(understanding.run())
    try:
        yield Asking(understanding, classifier)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_every_text_gets_its_own_prediction_in_order() -> None:
    async with _running(FakeClassifier()) as understanding:
        predictions = await understanding.of(["Guten Tag", "kaputt", "ein Mensch bitte"])
    assert [p.matters[0].category for p in predictions] == [
        Category.SMALL_TALK,
        Category.ERROR_REPORT,
        Category.HUMAN_REQUEST,
    ]


async def test_what_arrives_while_a_batch_is_classified_goes_into_the_next_one() -> None:
    classifier = FakeClassifier()
    classifier.gate = threading.Event()
    async with _running(classifier) as understanding:
        first = asyncio.create_task(understanding.of(["erste"]))
        await until(classifier.entered.is_set)
        others = [asyncio.create_task(understanding.of([f"{n}"])) for n in range(BATCH + 3)]
        await asyncio.sleep(0.01)
        classifier.gate.set()
        await asyncio.gather(first, *others)
    assert [len(batch) for batch in classifier.batches] == [1, BATCH, 3]


async def test_the_event_loop_goes_on_while_a_batch_is_classified() -> None:
    classifier = FakeClassifier()
    classifier.gate = threading.Event()
    async with _running(classifier) as understanding:
        asked = asyncio.create_task(understanding.of(["x"]))
        await until(classifier.entered.is_set)
        async with asyncio.timeout(1):
            await asyncio.sleep(0.01)
        assert not asked.done()
        classifier.gate.set()
        await asked


async def test_a_text_that_cannot_be_classified_fails_alone() -> None:
    classifier = FakeClassifier()
    classifier.poison.add("Gift")
    async with _running(classifier) as understanding:
        results = await asyncio.gather(
            *(understanding.of([text]) for text in ("Guten Tag", "Gift", "kaputt", "Gift zwei")), return_exceptions=True
        )
        assert [isinstance(result, ValueError) for result in results] == [False, True, False, True]
        classifier.poison.clear()
        assert len(await understanding.of(["Gift"])) == 1


async def test_of_two_texts_of_one_turn_the_one_that_fails_is_what_the_turn_hears_of() -> None:
    classifier = FakeClassifier()
    classifier.poison.add("Gift")
    async with _running(classifier) as understanding:
        with pytest.raises(ValueError, match="cannot be classified"):
            await understanding.of(["Guten Tag", "Gift"])
        with pytest.raises(ValueError, match="cannot be classified"):
            await understanding.of(["Gift", "Gift"])


async def test_a_turn_that_is_given_up_does_not_disturb_the_others_of_its_batch() -> None:
    classifier = FakeClassifier()
    classifier.gate = threading.Event()
    async with _running(classifier) as understanding:
        first, second = (asyncio.create_task(understanding.of([text])) for text in ("eins", "zwei"))
        await until(classifier.entered.is_set)
        first.cancel()
        classifier.gate.set()
        assert len(await second) == 1
        assert len(await understanding.of(["drei"])) == 1


async def test_while_one_classifier_takes_over_from_another_each_text_is_read_by_the_one_that_it_was_meant_for() -> (
    None
):
    old, new = FakeClassifier(), FakeClassifier()
    old.gate = threading.Event()
    async with _running(old) as understanding:
        first = asyncio.create_task(understanding.of(["alt"]))
        await until(old.entered.is_set)
        late = asyncio.create_task(understanding.of(["noch alt"]))
        await asyncio.sleep(0)
        understanding.classifier = new
        others = [asyncio.create_task(understanding.of([text])) for text in ("neu", "ganz neu")]
        await asyncio.sleep(0.01)
        old.gate.set()
        await asyncio.gather(first, late, *others)
    assert (old.batches, new.batches) == ([["alt"], ["noch alt"]], [["neu", "ganz neu"]])


async def test_a_classifier_that_gives_too_few_predictions_fails_the_turn_and_not_the_process() -> None:
    async with _running(ShortClassifier()) as understanding:
        async with asyncio.timeout(2):
            with pytest.raises(Exception, match=r".") as caught:
                await understanding.of(["eins"])
        assert not isinstance(caught.value, TimeoutError)
        understanding.classifier = FakeClassifier()
        async with asyncio.timeout(2):
            assert len(await understanding.of(["zwei"])) == 1


async def test_what_was_asked_a_moment_ago_is_not_asked_again_but_of_another_classifier() -> None:
    """With each answer to a question the request before it is looked at once more."""
    classifier, other = FakeClassifier(), FakeClassifier()
    async with _running(classifier) as understanding:
        [before] = await understanding.of(["kaputt"])
        both, again, _ = await understanding.of(["kaputt\nja", "kaputt", "kaputt\nja"])
        assert again == before
        understanding.classifier = other
        await understanding.of(["kaputt"])
    assert [sorted(batch) for batch in classifier.batches] == [["kaputt"], ["kaputt\nja"]]
    assert both.matters[0].text == "kaputt\nja"
    assert other.batches == [["kaputt"]]


async def test_only_the_last_ones_are_remembered() -> None:
    classifier = FakeClassifier()
    async with _running(classifier) as understanding:
        await understanding.of(["kaputt"])
        await understanding.of([f"{n}" for n in range(REMEMBERED)])
        await understanding.of(["kaputt"])
    assert [text for batch in classifier.batches for text in batch].count("kaputt") == 2
