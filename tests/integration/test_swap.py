"""Knowledge that is replaced in the middle of a turn: the turn is decided, worded and recorded with what it began with."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

from bot.catalogue.catalogue import Catalogue
from bot.knowledge import Knowledge
from bot.model import Candidate, Prediction
from tests.fakes import FakeClassifier, a_message
from tests.integration.desk import BURST, Desk, until

TOPIC = "opening_hours"


class Sure(FakeClassifier):
    """Every message is about one article."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__()
        self.category = catalogue.topics[TOPIC].category

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        return [self._about_the_topic(prediction) for prediction in super().classify(texts)]

    def _about_the_topic(self, prediction: Prediction) -> Prediction:
        (matter,) = prediction.matters
        candidate = Candidate(TOPIC, self.category, 1.0)
        sure = replace(matter, categories=((self.category, 1.0),), topics=(candidate,), faq=(TOPIC, 1.0))
        return replace(prediction, matters=(sure,))


async def test_a_topic_that_is_deleted_while_it_is_being_chosen_is_still_answered_once(
    desk: Desk, catalogue: Catalogue
) -> None:
    old = Sure(catalogue)
    old.gate = threading.Event()
    desk.knowledge = Knowledge(replace(catalogue, version="old"), old)
    conversation_id = await desk.conversation_of(a_message("Wann haben Sie auf?"))
    desk.clock.advance(BURST)
    turn = asyncio.create_task(_turn(desk, conversation_id))
    await until(old.entered.is_set)

    without = {name: topic for name, topic in catalogue.topics.items() if name != TOPIC}
    desk.knowledge = Knowledge(replace(catalogue, version="new", topics=without), FakeClassifier())
    old.gate.set()
    await turn

    (event,) = await desk.events(conversation_id)
    assert (event.data["catalogue"], event.data["decisions"][0]["faq"]) == ("old", TOPIC)
    assert [row.state for row in await desk.inbox()] == ["handled"]
    assert len(await desk.letters()) == 1
    assert not await desk.tickets()

    await desk.receive(a_message("Guten Tag"))
    await desk.handle_all()
    assert [event.data["catalogue"] for event in await desk.events(conversation_id)] == ["old", "new"]


async def _turn(desk: Desk, conversation_id: str) -> None:
    await desk.work(conversation_id)
