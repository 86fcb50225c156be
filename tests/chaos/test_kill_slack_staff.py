"""kill -9 on the side of staff: whatever step the bot dies at, each ticket has one thread, and each word arrives once."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog

from adapters.slack import SlackAdapter
from bot.bootstrap import build
from bot.config import Settings
from bot.model import Part
from bot.storage.database import Database
from bot.storage.files import Folder
from bot.storage.store import Store
from tests.chaos.harness import CATALOGUE
from tests.fakes import FakeClassifier
from tests.loopback.slack import LoopbackSlack
from tests.loopback.slack_people import Human

DESK = "C0DESK"
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["__main__", "tests.chaos.test_kill_slack_staff"])


def kind(part: Part) -> str:
    payload: Any = part.payload
    if payload.get("root"):
        return "card" if payload["method"] == "chat.postMessage" else "redrawing"
    if payload["method"] == "reactions.add":
        return str(payload["params"]["name"])
    return "to staff" if payload["params"].get("channel") == DESK else "to the customer"


class _Mortal(SlackAdapter):
    """Dies around the call of one kind: before it (sending) or when Slack has done it (transmitted)."""

    dies: tuple[str, str] = ("", "")

    async def send(self, part: Part) -> str:
        if self.dies == ("sending", kind(part)):
            _die()
        ts = await super().send(part)
        if self.dies == ("transmitted", kind(part)):
            _die()
        return ts


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()


def live(folder: Path, server: str, dies: tuple[str, str]) -> None:
    """A whole bot in a process of its own, until death or SIGTERM; after a commit it dies by the log line that tells of it."""

    def watch(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if str(event["event"]) == dies[0]:
            _die()
        raise structlog.DropEvent

    structlog.configure(processors=[watch])
    settings = Settings(
        data=folder, burst_seconds=0, undo_seconds=0, identify="never", adapters="slack", staff_chat=f"slack:{DESK}"
    )

    async def work() -> None:
        adapter = _Mortal(
            "xoxb-loopback",
            "xapp-loopback",
            files=Folder(folder / "files"),
            base_url=f"{server}/api/",
            timeout=2,
            pause=0.05,
            staff=(DESK,),
        )
        adapter.dies = dies
        async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=CATALOGUE) as app:
            await app.run(settings.heartbeat)

    asyncio.run(work())


@asynccontextmanager
async def _a_life(folder: Path, server: LoopbackSlack, dies: tuple[str, str] = ("", "")) -> AsyncIterator[Any]:
    process = _processes.Process(target=live, args=(folder, server.url, dies))
    process.start()
    try:
        yield process
    finally:
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGTERM)
        await asyncio.to_thread(process.join, 30)
        process.close()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not condition():
            await asyncio.sleep(0.05)


async def _idle(folder: Path, server: LoopbackSlack) -> None:
    """Everything is acknowledged, handled, told and sent."""
    await server.settle()
    database = Database(Settings(data=folder).resolved_database_url)
    try:
        async with asyncio.timeout(40):
            while True:
                async with Store(database).snapshot() as session:
                    busy = await session.inbox.waiting() or await session.outbox.waiting()
                    if not (busy or await session.events.waiting()):
                        return
                await asyncio.sleep(0.1)
    finally:
        await database.close()


AT_THE_TICKET = [("sending", "card"), ("transmitted", "card"), ("sending", "to staff"), ("transmitted", "to staff")]
AT_THE_REPLY = [
    ("message_accepted", ""),
    ("order_done", ""),
    *[
        (when, what)
        for what in ("hourglass_flowing_sand", "to the customer", "white_check_mark")
        for when in ("sending", "transmitted")
    ],
]
AT_TAKING = [("order_done", ""), ("sending", "redrawing"), ("transmitted", "redrawing")]


@pytest.mark.parametrize(
    ("step", "dies"),
    [
        *[("ticket", each) for each in AT_THE_TICKET],
        *[("take", each) for each in AT_TAKING],
        *[("reply", each) for each in AT_THE_REPLY],
    ],
    ids=lambda each: each if isinstance(each, str) else "-".join(filter(None, each)).replace(" ", "_"),
)
async def test_after_kill_9_there_is_one_thread_and_each_word_is_read_once(
    tmp_path: Path, step: str, dies: tuple[str, str]
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    async with LoopbackSlack(attempts=400, ack_within=0.3).serve() as server:
        server.channels.add(DESK)
        server.members[DESK] = ["U7"]
        server.people |= {"U5": "Ada", "U7": "Kim"}
        ada, kim = Human(server, "U5", "Ada", "D1"), Human(server, "U7", "Kim", DESK)

        def topics() -> list[str]:
            return [ts for (chat, ts), sent in server.sent.items() if chat == DESK and "thread_ts" not in sent]

        async def opens() -> None:
            await ada.writes("Der Drucker ist kaputt")

        async def takes() -> None:
            await kim.writes("!take", topics()[0])

        async def replies() -> None:
            await kim.writes("Bitte einmal neu starten.", topics()[0])

        steps = {"ticket": opens, "take": takes, "reply": replies}
        names = list(steps)
        fatal = names.index(step)
        if fatal:
            async with _a_life(folder, server):
                for name in names[:fatal]:
                    await steps[name]()
                    await _idle(folder, server)
        async with _a_life(folder, server, dies) as process:
            await steps[step]()
            await asyncio.to_thread(process.join, 30)
            assert process.exitcode == -signal.SIGKILL
        async with _a_life(folder, server):
            await _idle(folder, server)
            for name in names[fatal + 1 :]:
                await steps[name]()
                await _idle(folder, server)

        [topic] = topics()
        thread, customer = "\n".join(kim.reads(topic)), "\n".join(ada.reads())
        assert thread.count("Der Drucker ist kaputt") >= 1
        assert sum("Bisher gesprochen" in said for said in kim.reads(topic)) == 1
        assert "Zuständig: Kim" in kim.reads(topic)[0]
        assert customer.count("Bitte einmal neu starten.") == 1
        assert "Bitte einmal neu starten.   white_check_mark" in thread
