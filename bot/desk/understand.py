"""Classifies off the event loop, in small batches: what arrives while one batch is being classified goes into the next.

It must not know how messages are classified, nor what becomes of the result.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from bot.model import Prediction
from bot.ports import Classifier

BATCH = 32

Waiting = tuple[str, "asyncio.Future[Prediction]"]


class Understanding:
    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        """May be replaced while running: a batch uses the one that it began with."""
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue()

    async def of(self, texts: Sequence[str]) -> list[Prediction]:
        """The prediction for each text, once ``run`` gets to them. Raises what the classifier raises for one of them."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[Prediction]] = [loop.create_future() for _ in texts]
        for waiting in zip(texts, futures, strict=True):
            self._waiting.put_nowait(waiting)
        return list(await asyncio.gather(*futures))

    async def run(self) -> None:
        """Classify what is asked for until cancelled."""
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            for (_, future), result in zip(batch, await self._classified([text for text, _ in batch]), strict=True):
                if future.done():  # whoever asked has been cancelled meanwhile
                    continue
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    async def _classified(self, texts: list[str]) -> list[Prediction | Exception]:
        try:
            predictions: list[Prediction | Exception] = list(await asyncio.to_thread(self.classifier.classify, texts))
            if len(predictions) != len(texts):
                raise ValueError(f"{len(texts)} texts gave {len(predictions)} predictions")
            return predictions
        except Exception as error:
            if len(texts) == 1:
                return [error]
        # One text that cannot be classified must not fail its neighbours.
        return [result for text in texts for result in await self._classified([text])]
