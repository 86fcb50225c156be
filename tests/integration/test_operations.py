"""What operators' programs see of a running bot: whether it is alive and ready, and how it does."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.bootstrap import build, now
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.errors import DeliveryError, SettingsError
from bot.observing import Step, observed
from bot.ports import Receive
from bot.running import App
from bot.storage import migrate
from tests.conftest import TestDatabase, a_schema
from tests.fakes import FakeAdapter, FakeClassifier, FakeClock, a_message
from tests.integration.desk import Desk, until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@asynccontextmanager
async def _running(
    database: TestDatabase,
    folder: Path,
    catalogue: Catalogue,
    port: int | None,
    *adapters: FakeAdapter,
    clock: FakeClock | None = None,
    web_port: int = 0,
) -> AsyncIterator[tuple[App, asyncio.Task[None]]]:
    settings = Settings(
        data=folder, database_url=database.url, burst_seconds=0, operations_port=port, web_port=web_port
    )
    async with build(
        settings,
        adapters=adapters,
        classifier=FakeClassifier(),
        catalogue=catalogue,
        clock=clock or now,
    ) as app:
        running = asyncio.create_task(app.run(folder / "heartbeat"))
        try:
            yield app, running
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def _get(port: int, path: str) -> httpx.Response:
    async with asyncio.timeout(10), httpx.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx.ConnectError):
                return await client.get(f"http://127.0.0.1:{port}{path}")
            await asyncio.sleep(0.01)


async def _becomes(port: int, status: int) -> dict[str, object]:
    async with asyncio.timeout(10):
        while (answer := await _get(port, "/readyz")).status_code != status:
            await asyncio.sleep(0.02)
    said: dict[str, object] = answer.json()
    return said


async def _samples(port: int) -> Samples:
    page = await _get(port, "/metrics")
    assert page.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def _of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


# --- probes -------------------------------------------------------------------------------------------


async def test_a_bot_at_work_is_alive_and_ready(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    async with _running(database, tmp_path, catalogue, unused_tcp_port, FakeAdapter()):
        assert await _becomes(unused_tcp_port, 200) == {"ready": True, "missing": {}}
        assert (await _get(unused_tcp_port, "/healthz")).json() == {"alive": True}


async def test_a_bot_whose_database_is_away_is_alive_but_not_ready_and_says_why(
    postgres: object, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    from tests.conftest import PostgresServer

    own = PostgresServer()
    try:
        database = a_schema(own)
        await migrate.upgrade(database.open())
        await database.close()
        async with _running(database, tmp_path, catalogue, unused_tcp_port, FakeAdapter()):
            await _becomes(unused_tcp_port, 200)
            own.crash()
            said = await _becomes(unused_tcp_port, 503)
            assert "database" in str(said["missing"])
            assert (await _get(unused_tcp_port, "/healthz")).status_code == 200
            samples = await _samples(unused_tcp_port)
            assert _of(samples, "firstline_database_up") == 0
            assert not any(name == "firstline_queue_length" for name, _ in samples), "a stale figure is worse than none"
            own.start()
            await _becomes(unused_tcp_port, 200)
    finally:
        own.close()


async def test_a_database_of_another_version_makes_it_unready(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    async with _running(database, tmp_path, catalogue, unused_tcp_port, FakeAdapter()) as (app, _):
        await _becomes(unused_tcp_port, 200)
        async with app.store.transaction() as session:
            await session.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
        assert "firstline db upgrade" in str((await _becomes(unused_tcp_port, 503))["missing"])


async def test_an_intake_that_is_down_makes_it_unready_until_it_is_up_again(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    class Falling(FakeAdapter):
        falls = 1

        async def run(self, receive: Receive) -> None:
            if self.falls:
                self.falls -= 1
                raise ConnectionResetError("secret words")
            await super().run(receive)

    async with _running(database, tmp_path, catalogue, unused_tcp_port, Falling("fell")):
        while "ConnectionResetError" not in (said := str(await _becomes(unused_tcp_port, 503))):
            await asyncio.sleep(0.02)
        assert "intake of fell" in said
        assert "secret words" not in said
        await _becomes(unused_tcp_port, 200)


async def test_while_it_stops_it_is_alive_and_no_longer_ready(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    adapter, gate = FakeAdapter(), asyncio.Event()
    adapter.behaviour.append(gate.wait)  # type: ignore[arg-type]  # what it returns is not looked at
    async with _running(database, tmp_path, catalogue, unused_tcp_port, adapter) as (app, running):
        await _becomes(unused_tcp_port, 200)
        await app.receiver(a_message("Guten Tag"))
        await until(lambda: len(adapter.tried) == 1)
        running.cancel()
        await _becomes(unused_tcp_port, 503)
        assert (await _get(unused_tcp_port, "/healthz")).status_code == 200
        gate.set()


# --- where --------------------------------------------------------------------------------------------


async def test_nothing_is_served_unless_a_port_is_set(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue
) -> None:
    adapter = FakeAdapter()
    async with _running(database, tmp_path, catalogue, None, adapter) as (app, _):
        await app.receiver(a_message("Guten Tag"))
        await until(lambda: len(adapter.sent) == 1)
        assert app.watching.address is None


async def test_a_port_that_is_taken_is_told_with_the_setting_to_change(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        async with _running(database, tmp_path, catalogue, unused_tcp_port, FakeAdapter()) as (_, running):
            with pytest.raises(SettingsError, match="FIRSTLINE_OPERATIONS_PORT"):
                await running


async def test_a_package_that_is_missing_is_told_with_the_extra_that_brings_it(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "bot.operations.metrics", raising=False)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    settings = Settings(data=tmp_path, operations_port=0)
    with pytest.raises(SettingsError, match=r"'prometheus_client'.*firstline\[metrics\]"):
        async with build(settings, adapters=[], classifier=FakeClassifier(), catalogue=catalogue):
            pass


async def test_the_public_server_shows_nothing_of_it(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port_factory: object
) -> None:
    class Called(FakeAdapter):
        def routes(self) -> Sequence[Route]:
            async def taken(_: Request) -> Response:
                return PlainTextResponse("taken")

            return [Route("/fake", taken)]

    operations, public = unused_tcp_port_factory(), unused_tcp_port_factory()  # type: ignore[operator]  # of pytest-asyncio
    async with _running(database, tmp_path, catalogue, operations, Called(), web_port=public):
        assert (await _get(public, "/fake")).text == "taken"
        for path in ("/metrics", "/healthz", "/readyz"):
            assert (await _get(public, path)).status_code == 404


# --- metrics ------------------------------------------------------------------------------------------


async def test_what_happens_is_counted_by_adapter(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    adapter = FakeAdapter()
    adapter.behaviour += [DeliveryError("blocked", permanent=True), DeliveryError("503"), None]
    async with _running(database, tmp_path, catalogue, unused_tcp_port, adapter, FakeAdapter("quiet")) as (app, _):
        fault = a_message("Der Drucker ist kaputt", chat="c1")
        await app.receiver(fault)
        await app.receiver(fault)
        await until(lambda: len(adapter.tried) == 1)
        await app.engine.settled()
        await app.receiver(a_message("Guten Tag", chat="c2"))
        await until(lambda: len(adapter.sent) == 1)
        await app.engine.settled()
        samples = await _samples(unused_tcp_port)
    assert _of(samples, "firstline_messages_total", adapter="fake", outcome="accepted") == 2
    assert _of(samples, "firstline_messages_total", adapter="fake", outcome="repeated") == 1
    assert _of(samples, "firstline_messages_total", adapter="quiet", outcome="accepted") == 0
    assert _of(samples, "firstline_turns_total", adapter="fake", outcome="handled") == 2
    assert _of(samples, "firstline_turn_seconds_count") == 2
    assert _of(samples, "firstline_classify_seconds_count") >= 1
    assert _of(samples, "firstline_sends_total", adapter="fake", outcome="dead") == 1
    assert _of(samples, "firstline_sends_total", adapter="fake", outcome="put_off") == 1
    assert _of(samples, "firstline_sends_total", adapter="fake", outcome="sent") == 1
    assert _of(samples, "firstline_tickets_opened_total", adapter="fake") == 1
    assert _of(samples, "firstline_tickets", adapter="fake", state="open") == 1
    assert _of(samples, "firstline_queue_length", queue="dead_outbox", adapter="fake") == 1
    assert _of(samples, "firstline_queue_length", queue="inbox", adapter="fake") == 0
    assert _of(samples, "firstline_intake_running", adapter="fake") == 1
    assert _of(samples, "firstline_database_up") == 1


async def test_a_message_that_cannot_be_handled_counts_as_failed_and_in_the_end_as_dead(desk: Desk) -> None:
    steps: list[Step] = []
    observed_desk = replace(desk, work=replace(desk.work, observe=steps.append))
    desk.classifier.poison.add("gift")
    await desk.receive(a_message("gift"))
    await observed_desk.handle_all()
    assert [(step.outcome, step.attempt) for step in steps] == [*(("failed", n) for n in range(1, 5)), ("dead", 5)]


async def test_what_waits_is_told_with_its_age(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    clock, adapter = FakeClock(), FakeAdapter()
    adapter.behaviour += [DeliveryError("429", retry_after=timedelta(hours=1))]
    async with _running(database, tmp_path, catalogue, unused_tcp_port, adapter, clock=clock) as (app, _):
        await app.receiver(a_message("Guten Tag"))
        await until(lambda: len(adapter.tried) == 1)
        await app.engine.settled()
        clock.advance(timedelta(minutes=10))
        samples = await _samples(unused_tcp_port)
    assert _of(samples, "firstline_queue_length", queue="outbox", adapter="fake") == 1
    assert _of(samples, "firstline_queue_oldest_seconds", queue="outbox", adapter="fake") == 600
    assert _of(samples, "firstline_queue_oldest_seconds", queue="inbox", adapter="fake") == 0


async def test_no_word_name_or_id_of_a_customer_is_in_the_metrics(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, unused_tcp_port: int
) -> None:
    adapter = FakeAdapter()
    adapter.behaviour += [DeliveryError("geheimer Grund", permanent=True)]
    async with _running(database, tmp_path, catalogue, unused_tcp_port, adapter) as (app, _):
        await app.receiver(
            a_message("Zebra kaputt", chat="plaudern", sender="erika", message_id="kennung", thread="faden")
        )
        await until(lambda: len(adapter.tried) == 1)
        await app.engine.settled()
        page = (await _get(unused_tcp_port, "/metrics")).text
    assert not re.search("zebra|erika|plaudern|kennung|faden|geheim", page, re.IGNORECASE)
    outcomes = set(re.findall(r'outcome="(\w+)"', page))
    assert outcomes <= {"accepted", "repeated", "handled", "dead", "sent", "put_off"}


async def test_an_observer_that_breaks_harms_nothing() -> None:
    def breaks(step: Step) -> None:
        raise RuntimeError

    with observed(breaks, "handle") as step:
        step.outcome = "handled"
    assert step.seconds > 0
