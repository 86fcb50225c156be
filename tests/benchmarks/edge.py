"""``make bench-edge``: what a call to a platform, or of one, costs at the edge, in CPU time of our process alone.

The real adapters behind the real web server; the strict platforms on the loopback interface, which call it as well, are a
process of their own. Figures are printed and never asserted. It must not know how a call is made.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import logging
import multiprocessing
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from adapters.slack import SlackAdapter
from adapters.telegram import TelegramAdapter
from bot import logs, web
from bot.model import Button, ChatRef, InboundMessage, OutboundMessage
from bot.ports import ChatAdapter
from bot.storage.files import Folder
from tests.benchmarks.machine import described
from tests.benchmarks.people import Person, Slack, Telegram
from tests.loopback.slack import TEAM, LoopbackSlack
from tests.loopback.slack_http import SECRET
from tests.loopback.telegram import LoopbackTelegram

HOST = "bot.example.com"
AT_ONCE = 8
"""Calls, or people, side by side."""
CHAT = 1000
TEXT = """Ihr Passwort setzen Sie so zurück:

1. Öffnen Sie die **Anmeldung** und wählen Sie *Passwort vergessen*.
2. Geben Sie Ihre Adresse ein; die Nachricht kommt von `noreply@example.com`.
3. Folgen Sie dem [Link](https://example.com/reset) darin, er gilt eine Stunde.

> Kommt nichts an, sehen Sie bitte auch im Spam-Ordner nach.

War das hilfreich?"""
BUTTONS = (Button("Ja, danke", "solved"), Button("Nein", "unsolved"), Button("Mit einer Person", "person"))


# --- the other process


def platforms(pipe: Connection) -> None:
    """Says where the platforms are, hears where the bot is, then says messages: (platform, people, messages of each)."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    asyncio.run(_platforms(pipe))


async def _platforms(pipe: Connection) -> None:
    async with AsyncExitStack() as stack:
        telegram = await stack.enter_async_context(LoopbackTelegram(chats={CHAT}).serve())
        slack = await stack.enter_async_context(LoopbackSlack(channels={f"D{CHAT}"}, socket_mode=False).serve())
        pipe.send((telegram.url, telegram.token, f"{slack.url}/api/", slack.bot_token))
        address = await asyncio.to_thread(pipe.recv)
        telegram.webhook.reach[HOST] = address
        over_slack = Slack(slack, lambda: f"{address}/slack/events")
        stack.push_async_callback(over_slack.close)
        places: dict[str, Slack | Telegram] = {"slack": over_slack, "telegram": Telegram(telegram)}
        while (order := await asyncio.to_thread(pipe.recv)) is not None:
            name, people, each = order
            queue = iter(people)
            await asyncio.gather(*(_speak(places[name], queue, each) for _ in range(AT_ONCE)))
            while telegram.waiting:
                await asyncio.sleep(0.01)
            pipe.send("said")


async def _speak(place: Slack | Telegram, people: Iterator[int], each: int) -> None:
    for number in people:
        somebody = Person(place, number)
        for _ in range(each):
            somebody.said += 1
            await place.say(somebody, "Guten Tag, ich habe mein Passwort vergessen")


# --- ours


@dataclass(frozen=True)
class Bot:
    """Both adapters at work, and the way to the other process."""

    telegram: ChatAdapter
    slack: ChatAdapter
    pipe: Connection

    async def hear(self, platform: str, people: Sequence[int], each: int) -> None:
        self.pipe.send((platform, people, each))
        await asyncio.to_thread(self.pipe.recv)


async def _take(message: InboundMessage) -> None:
    """Whatever comes is durable at once."""


@asynccontextmanager
async def _bot(pipe: Connection, folder: Path) -> AsyncIterator[Bot]:
    telegram_url, token, slack_url, bot_token = await asyncio.to_thread(pipe.recv)
    telegram = TelegramAdapter(
        token, files=Folder(folder), base_url=f"{telegram_url}/bot", webhook=f"https://{HOST}/telegram"
    )
    slack = SlackAdapter(bot_token, files=Folder(folder), base_url=slack_url, signing_secret=SECRET)
    listening = web.bound("127.0.0.1", 0)
    pipe.send(f"http://127.0.0.1:{listening.getsockname()[1]}")
    work = [telegram.run(_take), slack.run(_take), web.serve(web.offered([telegram, slack]), listening)]
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.sleep(0.5)  # until both know who they are
        yield Bot(telegram, slack, pipe)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await telegram.close()
        await slack.close()
        pipe.send(None)


async def _send(adapter: ChatAdapter, chat: str, count: int) -> None:
    [part] = adapter.render(OutboundMessage(ChatRef(adapter.name, chat), TEXT, BUTTONS))
    numbers = iter(range(count))

    async def some() -> None:
        for _ in numbers:
            await adapter.send(part)

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))


async def _render(adapter: ChatAdapter, texts: Iterable[str]) -> None:
    for number, text in enumerate(texts):
        adapter.render(OutboundMessage(ChatRef(adapter.name, str(number)), text, BUTTONS))


async def _measured(pipe: Connection, folder: Path, count: int) -> None:
    known, strangers = range(CHAT, CHAT + AT_ONCE), range(2 * CHAT, 2 * CHAT + count)
    new, again = (f"{TEXT} {number}" for number in itertools.count()), [TEXT] * count
    async with _bot(pipe, folder) as bot:
        steps: Sequence[tuple[str, Callable[[], Awaitable[None]]]] = (
            ("Slack: a new reply put into its form", lambda: _render(bot.slack, itertools.islice(new, count))),
            ("Slack: the same reply put into its form again", lambda: _render(bot.slack, again)),
            ("Slack: a reply sent", lambda: _send(bot.slack, f"{TEAM}:D{CHAT}", count)),
            ("Slack: a message of somebody known", lambda: bot.hear("slack", known, count // AT_ONCE)),
            ("Slack: a message of somebody new, whose name is asked for", lambda: bot.hear("slack", strangers, 1)),
            ("Telegram: a new reply put into its form", lambda: _render(bot.telegram, itertools.islice(new, count))),
            ("Telegram: the same reply put into its form again", lambda: _render(bot.telegram, again)),
            ("Telegram: a reply sent, 30 a second at most", lambda: _send(bot.telegram, str(CHAT), count)),
            ("Telegram: a message", lambda: bot.hear("telegram", known, count // AT_ONCE)),
        )
        await bot.hear("slack", known, 1)
        for name, step in steps:
            begin = time.process_time()
            await step()
            print(f"{1000 * (time.process_time() - begin) / count:6.2f}  {name}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures what calls cost at the edge.")
    parser.add_argument("--count", type=int, default=480, help="calls of each kind")
    asked = parser.parse_args()
    logs.configure("json", "info")
    print(f"{described()}\nCPU-ms each:")
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    other = context.Process(target=platforms, args=(theirs,), daemon=True)
    other.start()
    with tempfile.TemporaryDirectory(prefix="firstline-bench-") as folder:
        asyncio.run(_measured(ours, Path(folder), asked.count))
    other.join(10)
    return 0


if __name__ == "__main__":
    sys.exit(main())
