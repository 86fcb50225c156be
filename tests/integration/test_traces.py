"""Traces: one of each message, from its acceptance to the last reply, whichever process did what; only if they are asked for."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from structlog.testing import capture_logs

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.errors import DeliveryError
from bot.observing import unobserved
from bot.operations.traces import Traces, provider_for
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, FakeClassifier, a_message
from tests.integration.desk import BURST, Desk, until


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TRACES_EXPORTER", "EXPORTER_OTLP_ENDPOINT", "EXPORTER_OTLP_TRACES_ENDPOINT", "SDK_DISABLED"):
        monkeypatch.delenv(f"OTEL_{name}", raising=False)


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def _traced(desk: Desk, exported: InMemorySpanExporter) -> Desk:
    """Each part with a provider of its own, as in three processes."""

    def observe(provider: TracerProvider | None = None) -> Traces:
        provider = provider or provider_for()
        provider.add_span_processor(SimpleSpanProcessor(exported))
        return Traces(provider)

    return replace(
        desk,
        receive=replace(desk.receive, observe=observe().observe),
        work=replace(desk.work, observe=observe().observe),
        deliver=replace(desk.deliver, observe=observe().observe),
    )


def _trace(span: ReadableSpan) -> int:
    return span.get_span_context().trace_id  # type: ignore[union-attr]  # a span that was exported has one


async def _correlation(desk: Desk) -> str:
    async with desk.store.snapshot() as session:
        kept = await session.inbox.get((await desk.inbox())[0].id)
    assert kept is not None
    return kept.received.correlation


async def test_accepting_handling_and_delivering_one_message_is_one_trace_across_processes(
    desk: Desk, exported: InMemorySpanExporter
) -> None:
    desk = _traced(desk, exported)
    desk.adapter.behaviour.append(DeliveryError("503"))
    await desk.receive(a_message("Der Drucker ist kaputt"))
    await desk.handle_all()
    await desk.deliver_all()
    accept, handle, put_off, sent = exported.get_finished_spans()
    assert [span.name for span in (accept, handle, put_off, sent)] == [
        *("accept message", "handle turn", "deliver reply", "deliver reply"),
    ]
    assert len({_trace(span) for span in (accept, handle, put_off, sent)}) == 1
    assert accept.parent is None
    for span in (handle, put_off, sent):
        assert span.parent is not None
        assert span.parent.span_id == accept.get_span_context().span_id  # type: ignore[union-attr]  # see _trace
        assert (span.start_time or 0) <= (span.end_time or 0)
    assert [span.attributes["firstline.outcome"] for span in (put_off, sent)] == ["put_off", "sent"]  # type: ignore[index]
    assert sent.attributes == {
        "firstline.correlation": await _correlation(desk),
        "firstline.adapter": "fake",
        "firstline.outcome": "sent",
        "firstline.attempt": 2,
    }


async def test_messages_of_one_turn_each_have_a_trace_and_lead_to_the_first(
    desk: Desk, exported: InMemorySpanExporter
) -> None:
    desk = _traced(desk, exported)
    await desk.receive(a_message("Guten Tag"))
    await desk.receive(a_message("der Drucker ist kaputt"))
    desk.clock.advance(2 * BURST)
    await desk.handle_all()
    first, second = [_trace(span) for span in exported.get_finished_spans() if span.name == "accept message"]
    assert first != second
    handled = [span for span in exported.get_finished_spans() if span.name == "handle turn"]
    assert [_trace(span) for span in handled] == [first, second]
    (link,) = handled[1].links
    assert link.context.trace_id == first


async def test_a_message_that_dies_is_seen_as_an_error_without_its_words(
    desk: Desk, exported: InMemorySpanExporter
) -> None:
    desk = _traced(desk, exported)
    desk.classifier.poison.add("Zebra")
    await desk.receive(a_message("Zebra", sender="erika"))
    await desk.handle_all()
    handled = [span for span in exported.get_finished_spans() if span.name == "handle turn"]
    assert [span.status.status_code.name for span in handled] == ["ERROR"] * 5
    assert not any(
        word in span.to_json().lower() for span in exported.get_finished_spans() for word in ("zebra", "erika")
    )


async def test_a_message_that_is_sampled_is_sampled_in_all_its_parts(
    desk: Desk, exported: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    desk = _traced(desk, exported)
    for n in range(40):
        await desk.receive(a_message("Guten Tag", chat=f"c{n}"))
    await desk.handle_all()
    await desk.deliver_all()
    names: dict[int, list[str]] = {}
    for span in exported.get_finished_spans():
        names.setdefault(_trace(span), []).append(span.name)
    assert 0 < len(names) < 40
    assert {tuple(each) for each in names.values()} == {("accept message", "handle turn", "deliver reply")}


# --- whether and where --------------------------------------------------------------------------------


async def _one_message(database: TestDatabase, folder: Path, catalogue: Catalogue) -> bool:
    """Whether anybody was told of it."""
    adapter = FakeAdapter()
    settings = Settings(data=folder, database_url=database.url, burst_seconds=0)
    async with (
        build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app,
        app.working(),
    ):
        await app.receiver(a_message("Guten Tag"))
        await until(lambda: len(adapter.sent) == 1)
        await app.engine.settled()
        return app.watching.observe is not unobserved


async def test_the_standard_variables_send_them_to_a_collector(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[ExportTraceServiceRequest] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            content = self.rfile.read(int(self.headers["Content-Length"]))
            content = gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content
            requests.append(ExportTraceServiceRequest.FromString(content))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "helpdesk-bot")
        assert await _one_message(database, tmp_path, catalogue)
        server.shutdown()
    resources = [resource for request in requests for resource in request.resource_spans]
    spans = [span.name for resource in resources for scope in resource.scope_spans for span in scope.spans]
    assert spans == ["accept message", "handle turn", "deliver reply"]
    assert {a.value.string_value for r in resources for a in r.resource.attributes if a.key == "service.name"} == {
        "helpdesk-bot"
    }


async def test_a_collector_that_is_away_holds_nothing_up(
    database: TestDatabase,
    tmp_path: Path,
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
    unused_tcp_port: int,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    began = time.monotonic()
    assert await asyncio.wait_for(_one_message(database, tmp_path, catalogue), 30)
    assert time.monotonic() - began < 20, "stopping would outlast the patience of whoever stops it"


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SERVICE_NAME": "x"},
    ],
)
async def test_unless_they_are_asked_for_there_are_none(
    database: TestDatabase,
    tmp_path: Path,
    catalogue: Catalogue,
    monkeypatch: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert not await _one_message(database, tmp_path, catalogue)


@pytest.mark.parametrize("missing", ["package", "exporter"])
async def test_a_wish_that_cannot_be_fulfilled_is_told_and_stops_nothing(
    database: TestDatabase, tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp" if missing == "package" else "zipkin")
    if missing == "package":
        monkeypatch.delitem(sys.modules, "bot.operations.traces", raising=False)
        monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with capture_logs() as logs:
        assert not await _one_message(database, tmp_path, catalogue)
    assert any(entry["event"] == "no_traces" for entry in logs)
