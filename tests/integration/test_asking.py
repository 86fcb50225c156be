"""A send that may have arrived, on a platform that can be asked: it is asked first, so that nobody reads a reply twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.delivery import ASK_AFTER
from bot.errors import DeliveryError
from bot.model import Part
from bot.storage.store import Store
from tests.fakes import FakeAdapter
from tests.integration.desk import Desk, a_desk

LANE = "fake:c1"


class AskedAdapter(FakeAdapter):
    """Answers with ``answer``: an id, None, or an error."""

    def __init__(self) -> None:
        super().__init__()
        self.answer: str | DeliveryError | None = None
        self.asked: list[str] = []

    async def find(self, part: Part) -> str | None:
        self.asked.append(part.key)
        if isinstance(self.answer, DeliveryError):
            raise self.answer
        return self.answer


@pytest.fixture
def adapter() -> AskedAdapter:
    return AskedAdapter()


@pytest.fixture
async def desk(store: Store, catalogue: Catalogue, adapter: AskedAdapter) -> AsyncIterator[Desk]:
    async with a_desk(store, catalogue, adapter=adapter) as desk:
        yield desk


async def _fails_uncertainly(desk: Desk) -> timedelta | None:
    desk.adapter.behaviour.append(DeliveryError("time-out", uncertain=True))
    delay = await desk.deliver(LANE)
    desk.clock.advance(delay or timedelta())
    return delay


async def test_what_has_arrived_is_not_sent_again(desk: Desk, adapter: AskedAdapter) -> None:
    await desk.post("1")
    delay = await _fails_uncertainly(desk)
    assert delay is not None
    assert delay >= ASK_AFTER, "the platform needs a moment to know itself"
    adapter.answer = "p77"
    await desk.deliver_all()
    (letter,) = await desk.letters()
    assert (letter.state, letter.platform_id) == ("sent", "p77")
    assert adapter.tried == ["1"]
    assert adapter.asked == [letter.key]


async def test_what_has_not_arrived_is_sent_until_it_has(desk: Desk, adapter: AskedAdapter) -> None:
    await desk.post("1")
    for _ in range(4):
        await _fails_uncertainly(desk)
    await desk.deliver_all()
    (letter,) = await desk.letters()
    assert (letter.state, adapter.texts) == ("sent", ["1"])
    assert len(adapter.asked) == 4


async def test_a_platform_that_cannot_be_asked_just_now_is_asked_later(desk: Desk, adapter: AskedAdapter) -> None:
    await desk.post("1")
    await _fails_uncertainly(desk)
    adapter.answer = DeliveryError("429", retry_after=timedelta(seconds=30))
    assert await desk.deliver(LANE) == timedelta(seconds=30)
    assert adapter.tried == ["1"]
    adapter.answer = "p77"
    desk.clock.advance(timedelta(seconds=30))
    await desk.deliver_all()
    assert [letter.state for letter in await desk.letters()] == ["sent"]
    assert adapter.tried == ["1"]


async def test_a_platform_that_will_not_say_gets_it_once_more_and_no_third_time(
    desk: Desk, adapter: AskedAdapter
) -> None:
    adapter.answer = DeliveryError("missing_scope", permanent=True)
    await desk.post("1")
    for _ in range(2):
        await _fails_uncertainly(desk)
    await desk.deliver_all()
    assert adapter.tried == ["1", "1"]
    assert [letter.state for letter in await desk.letters()] == ["uncertain"]


async def test_after_a_crash_while_sending_the_platform_is_asked_first(desk: Desk, adapter: AskedAdapter) -> None:
    async def dies() -> None:
        adapter.answer = "p1"  # it has arrived
        raise asyncio.CancelledError

    adapter.behaviour.append(dies)
    await desk.post("1")
    with pytest.raises(asyncio.CancelledError):
        await desk.deliver(LANE)
    await desk.deliver_all()
    assert [(letter.state, letter.platform_id) for letter in await desk.letters()] == [("sent", "p1")]
    assert adapter.tried == ["1"]
