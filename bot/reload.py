"""Keeps the knowledge in force, and replaces it by that of edited intent files: whole, or not at all.

It must not know what the knowledge is used for.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import structlog
from watchfiles import awatch

from bot.catalogue import files
from bot.catalogue.problems import BrokenCatalogueError, errors
from bot.config import Settings
from bot.errors import CatalogueError, FirstlineError
from bot.evaluation.selfcheck import Failure, broken, failures
from bot.knowledge import Knowledge
from bot.standing import Refusal, Standing

log = structlog.get_logger(__name__)

STEP, DEBOUNCE = 300, 3000
"""Milliseconds without a further change, and in all, after which files count as saved."""
LOOK = 30_000
"""Milliseconds after which the files are looked at without a sign: network disks give none, nor does a folder that is replaced."""

T = TypeVar("T")


class BrokenPromiseError(CatalogueError):
    """An edit would make the bot say something wrong to what the topics' own checks ask."""

    def __init__(self, broken: Sequence[Failure]) -> None:
        self.problems = tuple(str(failure.problem) for failure in broken)
        super().__init__("\n".join(("The edit breaks checks, so it was not taken over:", *self.problems)))


@dataclass
class KnowledgeBase:
    """``in_force`` is what turns are handled with from now on; a turn under way goes on with what it began with."""

    settings: Settings
    in_force: Knowledge
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    refused: Refusal | None = None
    warnings: tuple[str, ...] = ()
    _failures: tuple[Failure, ...] | None = None
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reload(self) -> bool:
        """Load, check and train aside, try the topics' checks, then swap. False, and all stays as it was, on any failure."""
        async with self._alone:
            version = await asyncio.to_thread(_version, self.settings.intents)
            try:
                knowledge = await _aside(self._examined)
            except Exception as error:  # whatever it is, the bot goes on with what it has
                self._refuse(version, error)
                await self._tell()
                return False
            self.in_force, self.loaded_at, self.refused = knowledge, datetime.now(UTC), None
            log.info("catalogue_loaded", catalogue=knowledge.version, checks_that_hold_no_longer=len(self.warnings))
            await self._tell()
            return True

    async def watch(self) -> None:
        """Take edits over as they are saved, until cancelled."""
        await self._tell()
        while True:
            await self._look()
            try:
                changes = awatch(
                    self.settings.intents,
                    watch_filter=None,  # a ConfigMap is changed by a link whose name looks like none of ours
                    step=STEP,
                    debounce=DEBOUNCE,
                    rust_timeout=LOOK,
                    yield_on_timeout=True,
                )
                async with contextlib.aclosing(changes):
                    await anext(changes, None)
            except (
                OSError,
                RuntimeError,
            ) as error:  # no such folder, no watches left, or what the library calls internal
                log.warning("intents_not_watched", folder=str(self.settings.intents), error=str(error))
                await asyncio.sleep(LOOK / 1000)

    async def _look(self) -> None:
        """Reload for as long as the files differ from those that were last taken over or refused."""
        while (version := await asyncio.to_thread(_version, self.settings.intents)) not in self._seen:
            await self.reload()
        if version == self.in_force.version and self.refused is not None:
            self.refused = None
            log.info("catalogue_put_back", catalogue=version)
            await self._tell()

    @property
    def _seen(self) -> tuple[str, ...]:
        return (self.in_force.version, *((self.refused.version,) if self.refused else ()))

    def _examined(self) -> Knowledge:
        """Seconds of work. Raises FirstlineError when the files must not be taken over."""
        knowledge = Knowledge.load(self.settings)
        if self._failures is None:  # at the start there was no edit that could have broken one
            self._failures = failures(self.in_force.catalogue, self.in_force.classifier)
        found = failures(knowledge.catalogue, knowledge.classifier)
        newly = broken(found, self._failures)
        if harmful := [failure for failure in newly if failure.harmful]:
            raise BrokenPromiseError(harmful)
        self._failures, self.warnings = found, tuple(str(failure.problem) for failure in newly)
        return knowledge

    def _refuse(self, version: str, error: Exception) -> None:
        match error:
            case BrokenCatalogueError():
                problems = tuple(map(str, errors(error.problems)))
            case BrokenPromiseError():
                problems = error.problems
            case _:
                problems = (str(error) if isinstance(error, FirstlineError) else f"The edit cannot be used: {error!r}",)
        self.refused = Refusal(version=version, at=datetime.now(UTC), problems=problems)
        log.error("catalogue_refused", in_force=self.in_force.version, refused=version, problems=problems)

    async def _tell(self) -> None:
        """Write down how things stand. That this fails must not keep the bot from answering."""
        catalogue = self.in_force.catalogue
        standing = Standing(
            folder=str(self.settings.intents.resolve()),
            version=catalogue.version,
            loaded_at=self.loaded_at,
            topics=len(catalogue.topics),
            examples=len(catalogue.examples),
            warnings=self.warnings,
            refused=self.refused,
        )
        try:
            await asyncio.to_thread(standing.write, self.settings.standing)
        except OSError as error:
            log.warning("standing_not_written", file=str(self.settings.standing), error=str(error))


def _version(folder: Path) -> str:
    return files.version(files.read(folder)[0])


async def _aside(work: Callable[[], T]) -> T:
    """The result of ``work``, done in a thread that a process which is to stop does not wait for, unlike those of a pool."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def finish(result: T | None, error: BaseException | None) -> None:
        if not future.done():
            future.set_exception(error) if error else future.set_result(result)  # type: ignore[arg-type]  # one is given

    def run() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(finish, result, failed)

    threading.Thread(target=run, name="reload", daemon=True).start()
    return await future
