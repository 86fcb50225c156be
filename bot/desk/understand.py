"""Classifies off the event loop, in small batches: what arrives while one batch is being classified goes into the next.

It must not know how messages are classified, nor what becomes of the result.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from bot.model import Prediction
from bot.observing import Observe, observed, unobserved
from bot.ports import Classifier

BATCH = 32
GATHER = 0.05
"""Seconds in which those that come at about the same time are gathered: understanding four costs two and a half times one."""
LONGEST = 0.25
"""Seconds of the same while it pays: a gathering that has brought several together makes the next twice as long."""

REMEMBERED = 256
"""Texts of which it is still known what they meant: an answer to a question may bring up the request before it once more."""

Waiting = tuple[Classifier, str, "asyncio.Future[Prediction]"]


class Understanding:
    def __init__(self, observe: Observe = unobserved) -> None:
        self._observe = observe
        self._waiting: asyncio.Queue[Waiting] = asyncio.Queue()
        self._known: OrderedDict[str, Prediction] = OrderedDict()
        self._known_to: Classifier | None = None

    async def of(self, texts: Sequence[str], classifier: Classifier) -> list[Prediction]:
        """The prediction of ``classifier`` for each text, once ``run`` gets to them. Raises what it raises for one of them."""
        if classifier is not self._known_to:
            self._known.clear()
            self._known_to = classifier
        loop = asyncio.get_running_loop()
        futures: dict[str, asyncio.Future[Prediction]] = {}
        found: dict[str, Prediction] = {}
        for text in dict.fromkeys(texts):
            if text in self._known:
                found[text] = self._known[text]
                self._known.move_to_end(text)
            else:
                futures[text] = loop.create_future()
                self._waiting.put_nowait((classifier, text, futures[text]))
        found |= dict(zip(futures, await asyncio.gather(*futures.values()), strict=True))
        if classifier is self._known_to:  # none has taken over meanwhile
            self._known |= found
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return [found[text] for text in texts]

    async def run(self) -> None:
        """Classify what is asked for until cancelled."""
        gather = GATHER
        while True:
            batch = [await self._waiting.get()]
            if self._waiting.qsize() + 1 < BATCH:
                await asyncio.sleep(gather)
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            gather = min(2 * gather, LONGEST) if len(batch) > 1 else GATHER
            # Two classifiers meet in a batch only while one takes over from the other.
            for classifier in {id(classifier): classifier for classifier, _, _ in batch}.values():
                asked = [(text, future) for each, text, future in batch if each is classifier]
                results = await self._classified([text for text, _ in asked], classifier)
                for (_, future), result in zip(asked, results, strict=True):
                    if future.done():  # whoever asked has been cancelled meanwhile
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)

    async def _classified(self, texts: list[str], classifier: Classifier) -> list[Prediction | Exception]:
        try:
            with observed(self._observe, "classify") as step:
                predictions: list[Prediction | Exception] = list(await asyncio.to_thread(classifier.classify, texts))
                step.outcome = "classified"
            if len(predictions) != len(texts):
                raise ValueError(f"{len(texts)} texts gave {len(predictions)} predictions")
            return predictions
        except Exception as error:
            if len(texts) == 1:
                return [error]
        # One text that cannot be classified must not fail its neighbours.
        return [result for text in texts for result in await self._classified([text], classifier)]
