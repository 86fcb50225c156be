"""``make bench-growth``: what a message costs when much is kept already, and when there are many intents, in CPU time.

Conversations are written straight into the tables, as many turns have left them; then real messages go through the joined
application. It must not know how anything is found.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import logging
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from bot.bootstrap import build
from bot.catalogue.load import load
from bot.config import Settings, shipped_intents
from bot.desk.understand import BATCH
from bot.knowledge import Knowledge, speakable
from bot.model import Limits
from bot.running import App
from bot.storage import migrate
from bot.storage.database import Database
from tests.benchmarks.machine import cost, described
from tests.conftest import PostgresServer
from tests.fakes import FakeAdapter, FakeClassifier, a_message
from tests.integration.tools import folder as intents

_T = TypeVar("_T")

MESSAGES = 300
KEPT = (1_000, 100_000, 1_000_000)
TOPICS = (10, 300, 3_000)
_WORDS = (
    "Archiv Bestellung Drucker Etikett Inventur Kalender Kantine Lizenz Mandant Parkplatz Rechnung Reisekosten "
    "Schichtplan Signatur Vorlage Zeiterfassung Lager Vertrag Projekt Urlaub Angebot Mahnung Protokoll Termin "
    "Kostenstelle Steuer Import Export Filter Bericht Formular Anhang Freigabe Rolle Gruppe Schulung Wartung "
    "Garantie Lieferung Retoure Rabatt Budget Prognose Umsatz Konto Zahlung Bank Adresse Ansprechpartner Notiz "
    "Aufgabe Wecker Statistik Dashboard Schnittstelle"
)
_NOUNS = _WORDS.split()

_COUNTED = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {})",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, {}))",
}
_OLD = "'2026-01-05 08:00:00.000000'"
_FILL = (
    # A talk of one turn each, of which every tenth has become a ticket that is closed by now.
    """INSERT INTO conversation (id, adapter, chat_id, thread_id, mode, misses, greeted, next_seq, version, created_at, updated_at)
        %N SELECT 'old-' || i, 'fake', 'old-' || i, '', 'bot', 0, 1, 1, 1, %OLD, %OLD FROM n""",
    """INSERT INTO inbox
        (conversation_id, seq, identity, correlation, message, state, attempts, received_at, handled_at)
        %N SELECT 'old-' || i, 1, 'old-' || i, 'old-' || i,
        '{"chat": {"adapter": "fake"}, "message_id": "m", "text": "Wo finde ich das Archiv?"}', 'handled', 0, %OLD, %OLD
        FROM n""",
    """INSERT INTO outbox (lane, key, conversation_id, author, chat, text, payload, state, attempts, uncertain, correlation,
        created_at, due_at, sent_at, platform_id)
        %N SELECT 'fake:old-' || i, 'old-' || i, 'old-' || i, 'bot', '{}', 'Im Archiv der Anwendung, unter den Vorlagen.',
        '{"text": "Im Archiv der Anwendung, unter den Vorlagen."}', 'sent', 1, 0, 'old-' || i, %OLD, %OLD, %OLD, '1' FROM n""",
    """INSERT INTO event (at, kind, actor, conversation_id, correlation, data, told)
        %N SELECT %OLD, 'turn', 'fake:old', 'old-' || i, 'old-' || i, '{"messages": [1], "decisions": []}', 1 FROM n""",
    """INSERT INTO lane (name, not_before) %N SELECT 'fake:old-' || i, %OLD FROM n""",
    """INSERT INTO ticket (key, conversation_id, state, reason, priority, subject, facts, version, created_at, resolved_at)
        %N SELECT 'old-' || i, 'old-' || i, 'closed', 'judge', 'normal', 'Archiv', '{}', 1, %OLD, %OLD
        FROM n WHERE i % 10 = 0""",
)


@dataclass(frozen=True)
class Spent:
    """CPU milliseconds a message, of this process and of the database's server; milliseconds of one sweep and of the start."""

    message: float
    server: float
    sweep: float
    start: float
    megabytes: float

    def __str__(self) -> str:
        server = f" + {self.server:.1f} of the server" if self.server else ""
        return (
            f"{self.message:.1f} CPU-ms a message{server}, a sweep {self.sweep:.1f} ms, start {self.start:.0f} ms, "
            f"{self.megabytes:.0f} MB on disk"
        )


async def kept(url: str, folder: Path, count: int, server: PostgresServer | None) -> Spent:
    """Messages of new people and of old ones in turn, among ``count`` conversations."""
    database = Database(url)
    await migrate.upgrade(database)
    async with database.writing() as connection:
        for statement in _FILL:
            filled = statement.replace("%N", _COUNTED[database.dialect.name].format(count)).replace("%OLD", _OLD)
            await connection.exec_driver_sql(filled.replace("%", "%%") if server else filled)
    if server is not None:
        async with database.writing() as connection:
            await connection.exec_driver_sql("ANALYZE")
    await database.close()
    begin = time.perf_counter()
    adapter = FakeAdapter(limits=Limits(text=4000, buttons=10))
    async with _running(url, folder, adapter) as app:
        start = (time.perf_counter() - begin) * 1000
        await _talk(app, adapter, "warm", 20, count)
        ours, servers = time.process_time(), cost([server.pid]).cpu if server else 0.0
        await _talk(app, adapter, "m", MESSAGES, count)
        message = (time.process_time() - ours) * 1000 / MESSAGES
        spent = (cost([server.pid]).cpu - servers) * 1000 / MESSAGES if server else 0.0
        begin = time.perf_counter()
        for _ in range(10):
            await app.engine.sweep()
        sweep = (time.perf_counter() - begin) * 100
    held = server.folder if server else folder
    size = sum(file.stat().st_size for file in held.rglob("*") if file.is_file()) / 1e6
    return Spent(message, spent, sweep, start, size)


@asynccontextmanager
async def _running(url: str, folder: Path, adapter: FakeAdapter) -> AsyncIterator[App]:
    settings = Settings(data=folder, database_url=url, burst_seconds=0)
    catalogue = load(shipped_intents())
    async with build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app:
        task = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            yield app
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _talk(app: App, adapter: FakeAdapter, name: str, messages: int, count: int) -> None:
    before = len(adapter.sent)
    for number in range(messages):
        chat = f"{name}-{number}" if number % 2 else f"old-{1 + number * 7919 % count}"
        said = "Der Drucker ist kaputt" if number % 5 == 0 else "Guten Tag"
        adapter.incoming.put_nowait(a_message(said, chat=chat, message_id=f"{name}-{number}"))
    while len(adapter.sent) < before + messages:
        await asyncio.sleep(0.02)
    await app.engine.settled()


def known(folder: Path, topics: int) -> str:
    """What training costs with so many topics of six examples each, and a message alone and among others."""
    made = intents.small(folder / "intents")
    for number, words in zip(range(topics), itertools.permutations(_NOUNS, 2), strict=False):
        both = " und ".join(words)
        german = [f"Wo finde ich {both}?", f"{both} suchen", f"Hinweise zu {both} bitte"]
        english = [f"Where are {both}?", f"search {both}", f"hints on {both} please"]
        made.topic(f"faq/t{number}", "in_scope.usage", {"de": german, "en": english}, {"de": [], "en": []})
    catalogue = speakable(folder / "intents")
    settings = Settings(data=folder, intents=folder / "intents")
    training, knowledge = _cpu(lambda: Knowledge.trained(catalogue, settings))
    chance = [
        f"Bitte sagen Sie mir, wo {a} ist, wegen {b}"
        for a, b in itertools.islice(itertools.permutations(_NOUNS, 2), 200)
    ]
    knowledge.classifier.classify(chance[:1])
    one, _ = _cpu(lambda: [knowledge.classifier.classify([said]) for said in chance])
    batches = [chance[start : start + BATCH] for start in range(0, len(chance), BATCH)]
    many, _ = _cpu(lambda: [knowledge.classifier.classify(batch) for batch in batches])
    return (
        f"{one * 1000 / len(chance):.1f} CPU-ms a message, {many * 1000 / len(chance):.1f} in batches of {BATCH}, "
        f"training {training:.0f} CPU-s, "
        f"{cost([os.getpid()]).memory:.0f} MB in memory afterwards"
    )


def _cpu(work: Callable[[], _T]) -> tuple[float, _T]:
    begin = time.process_time()
    result = work()
    return time.process_time() - begin, result


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Measures what growth costs.")
    parser.add_argument("--most", type=int, default=KEPT[-1], help="conversations, of 1,000, 100,000 and 1,000,000")
    parser.add_argument("--topics", type=int, default=TOPICS[-1], help="intents, of 10, 300 and 3,000")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], action="append", help="one of the two")
    asked = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    print(described(), flush=True)
    for engine in asked.engine or ["sqlite", "postgresql"]:
        for count in [each for each in KEPT if each <= asked.most]:
            with tempfile.TemporaryDirectory(prefix="firstline-growth-") as name:
                server = PostgresServer() if engine == "postgresql" else None
                try:
                    url = server.url() if server else f"sqlite:///{Path(name) / 'firstline.db'}"
                    print(
                        f"{engine}, {count:,} conversations: {asyncio.run(kept(url, Path(name), count, server))}",
                        flush=True,
                    )
                finally:
                    if server:
                        server.close()
    for topics in [each for each in TOPICS if each <= asked.topics]:
        with tempfile.TemporaryDirectory(prefix="firstline-growth-") as name:
            print(f"{topics:,} intents: {known(Path(name), topics)}", flush=True)


if __name__ == "__main__":
    main()
