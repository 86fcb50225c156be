"""A bot that runs in a process of its own and dies by SIGKILL, or is stopped by SIGSTOP, at a chosen moment of its work.

Nothing of ours is replaced or patched: it dies in the parts that the outside world provides (clock, classifier,
platform), and where the program says in its log that a commit has happened. The platform is a file: what stands in it
has been delivered. What stands in the other one has been acknowledged to the platform.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import structlog

from bot.bootstrap import build, now
from bot.catalogue.load import load
from bot.config import Settings, shipped_intents
from bot.desk.staff import TicketError
from bot.model import Attachment, ChatRef, InboundMessage, Limits, OutboundMessage, Part, Person, Prediction
from bot.ports import Receive
from bot.running import App
from bot.storage.files import Folder
from tests.fakes import FakeClassifier, a_message

Moment = Literal[
    "never",
    "accepting",  # in the transaction that accepts, before its commit
    "accepted",  # after its commit, before the platform hears of it
    "classifying",  # while the turn is handled, outside any transaction
    "committing",  # in the transaction of the turn, before its commit
    "handled",  # after its commit, before anything is sent
    "buried",  # after the commit that makes a message a dead letter
    "sending",  # marked as being sent, but the platform has nothing yet
    "transmitted",  # the platform has it, but that is not yet noted
    "sent",  # noted
    "committed",  # after the commit of what staff do, before their surface hears of it
    "fetching",  # a file is half here
    "kept",  # all of it is here, but that is not yet noted
    "stored",  # noted
]
KIM, THREAD = Person("kim", "Kim Berger"), ChatRef("file", "staff")
CATALOGUE = load(shipped_intents())
"""Loaded once, before processes are forked."""

LOG = b"ERROR 17\n" * 20_000

LOGGED = {
    "message_accepted": "accepted",
    "turn_handled": "handled",
    "dead_letter": "buried",
    "sent": "sent",
    "file_stored": "stored",
}


@dataclass(frozen=True)
class Life:
    """What one process is to do. ``within`` bounds it; ``dies_after`` kills it at a random moment instead of a chosen one."""

    folder: Path
    database_url: str
    messages: tuple[InboundMessage, ...]
    dies: Moment = "never"
    pauses: Moment = "never"
    dies_after: float | None = None
    within: float = 15
    poison: str = ""
    """A text with this word in it cannot be understood."""

    @property
    def roles(self) -> str:
        """PostgreSQL tells of a commit while it answers it: whoever sends in this process might begin before that moment."""
        early = self.database_url.startswith("postgresql") and "handled" in (self.dies, self.pauses)
        return "intake,worker" if early else "intake,worker,delivery"

    @property
    def paused(self) -> Path:
        """Is there from when the process is about to be stopped."""
        return self.folder / "paused"

    @property
    def delivered(self) -> Path:
        return self.folder / "delivered"

    @property
    def acknowledged(self) -> Path:
        return self.folder / "acknowledged"


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def some_messages(count: int) -> tuple[InboundMessage, ...]:
    return tuple(
        a_message("Der Drucker ist kaputt", chat=f"c{n % 5}", message_id=f"m{n}", adapter="file") for n in range(count)
    )


def a_message_with_a_file() -> InboundMessage:
    file = Attachment("fehler.log", "text/plain", len(LOG), "ref")
    return a_message("Der Drucker ist kaputt", message_id="m0", adapter="file", attachments=(file,))


def live(life: Life) -> None:
    """Run until every message has been answered, or until death."""

    def at(moment: str) -> None:
        if moment == life.dies:
            _die()
        if moment == life.pauses and not life.paused.exists():
            life.paused.touch()
            os.kill(os.getpid(), signal.SIGSTOP)

    def watch(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        at(LOGGED.get(str(event["event"]), ""))
        raise structlog.DropEvent

    structlog.configure(processors=[watch])
    if life.dies_after is not None:
        threading.Timer(life.dies_after, _die).start()
    asyncio.run(_work(life, at))


@dataclass(frozen=True)
class Shift:
    """What a process does for staff: each act that has not been acknowledged, then it sends until nothing is left to send."""

    life: Life
    acts: tuple[str, ...]

    @property
    def done(self) -> Path:
        return self.life.folder / "done"


def work(shift: Shift) -> None:
    """Do what staff ask for, or die at the chosen moment of it."""

    def at(moment: str) -> None:
        if moment == shift.life.dies:
            _die()

    def watch(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        at("sent" if event["event"] == "sent" else "")
        raise structlog.DropEvent

    structlog.configure(processors=[watch])
    asyncio.run(_shift(shift, at))


async def _shift(shift: Shift, at: Callable[[str], None]) -> None:
    life = shift.life
    settings = Settings(data=life.folder, database_url=life.database_url, burst_seconds=0, undo_seconds=0)
    async with (
        asyncio.timeout(life.within),
        build(settings, adapters=[_File(life, at)], classifier=FakeClassifier(), catalogue=CATALOGUE) as app,
    ):
        # As a surface does: what was not acknowledged before the process died is delivered again, under the same id.
        for act in shift.acts:
            if act not in lines(shift.done):
                with contextlib.suppress(TicketError):  # it had been done, and the surface had not heard of it
                    await _act(app, act)
                at("committed")
                _append(shift.done, act)
        async with app.working():
            while await _open(app):
                await app.engine.settled()
                await asyncio.sleep(0.005)


async def _act(app: App, act: str) -> None:
    match act:
        case "take":
            await app.desk.take(1, KIM)
        case "reply":
            await app.desk.thread_message(1, KIM, "Guten Tag", THREAD, "t1")
        case "note":
            await app.desk.thread_message(1, KIM, "// nur intern", THREAD, "t2")
        case "resolve":
            await app.desk.resolve(1, KIM)


def hold(folder: Path, ready: Path) -> None:
    """Hold the embedded database of ``folder`` until killed."""

    async def work() -> None:
        async with build(Settings(data=folder), adapters=[], classifier=FakeClassifier(), catalogue=CATALOGUE):
            ready.touch()
            await asyncio.Event().wait()

    asyncio.run(work())


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()  # the signal may take a moment; nothing more may happen until then


class _Classifier(FakeClassifier):
    def __init__(self, life: Life, at: Callable[[str], None]) -> None:
        super().__init__()
        self.poison = {life.poison} if life.poison else set()
        self._at = at

    def classify(self, texts: Sequence[str]) -> Sequence[Prediction]:
        self._at("classifying")
        return super().classify(texts)


class _File:
    """A platform that delivers again whatever was not acknowledged, and forgets nothing that it was sent."""

    name = "file"
    limits = Limits(text=4000, buttons=10)

    def __init__(self, life: Life, at: Callable[[str], None]) -> None:
        self._life = life
        self._at = at

    async def run(self, receive: Receive) -> None:
        acknowledged = set(lines(self._life.acknowledged))
        for message in self._life.messages:
            if message.message_id not in acknowledged:
                await receive(message)
                _append(self._life.acknowledged, message.message_id)

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        self._at("committing")
        return [Part(message.chat, {"text": message.text})]

    async def send(self, part: Part) -> str:
        self._at("sending")
        _append(self._life.delivered, f"{part.chat.chat_id} {part.payload['text']!r}")
        self._at("transmitted")
        return "1"

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        yield LOG[: len(LOG) // 2]
        self._at("fetching")
        yield LOG[len(LOG) // 2 :]

    async def close(self) -> None:
        pass


class _Folder(Folder):
    def __init__(self, root: Path, at: Callable[[str], None]) -> None:
        super().__init__(root)
        self._at = at

    async def put(self, folder: str, chunks: AsyncIterator[bytes]) -> str:
        key = await super().put(folder, chunks)
        self._at("kept")
        return key


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())


async def _work(life: Life, at: Callable[[str], None]) -> None:
    accepting = False

    def clock() -> datetime:
        if accepting:
            at("accepting")  # the clock is asked inside the transaction
        return now()

    adapter, files = _File(life, at), _Folder(life.folder / "files", at)
    settings = Settings(data=life.folder, database_url=life.database_url, burst_seconds=0, roles=life.roles)
    async with (
        asyncio.timeout(life.within),
        build(
            settings,
            adapters=[adapter],
            classifier=_Classifier(life, at),
            clock=clock,
            catalogue=CATALOGUE,
            files=files,
        ) as app,
        app.working(),
    ):
        accepting = True
        await adapter.run(app.receiver)
        accepting = False
        while await _open(app):
            if "delivery" in life.roles:  # else what waits to be sent waits for another process
                await app.engine.settled()
            await asyncio.sleep(0.005)


async def _open(app: App) -> bool:
    async with app.store.snapshot() as session:
        return bool(
            await session.inbox.waiting()
            or await session.outbox.waiting()
            or await session.timers.waiting(now())
            or await session.attachments.waiting(now())
        )


def a_short_life(chance: random.Random) -> float:
    return chance.uniform(0.1, 0.5)
