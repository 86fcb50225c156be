"""What happens, as Prometheus reads it: counters and durations of this process, figures of the queues that all of them share.

Labels are names of adapters, kinds and outcomes, of which there are few; nothing of a customer is ever one of them.
prometheus-client comes with the extra ``metrics``.
"""

from __future__ import annotations

from collections import Counter as Sums
from collections.abc import Iterator, Sequence
from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from bot import __version__
from bot.errors import DatabaseError
from bot.model import TicketState
from bot.observing import Kind, Step
from bot.operations.status import RUNS, Figures, Insight
from bot.storage.figures import QUEUES

_COUNTED: dict[Kind, tuple[str, str]] = {
    "accept": ("firstline_messages", "Messages from platforms: accepted, repeated (known already), broke."),
    "handle": ("firstline_turns", "Turns: handled, overtaken (done anew), failed (tried again), dead, broke."),
    "deliver": ("firstline_sends", "Sends: sent, put_off (tried again), dropped, dead, uncertain, broke."),
    "fetch": ("firstline_files", "Files of customers: stored, put_off (tried again), refused, failed, broke."),
}
_TIMED: dict[Kind, tuple[str, str, tuple[float, ...]]] = {
    "accept": ("firstline_accept_seconds", "Storing one message.", (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)),
    "classify": ("firstline_classify_seconds", "Classifying one batch.", (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)),
    "handle": (
        "firstline_turn_seconds",
        "One turn, without the wait for it.",
        (0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
    ),
    "deliver": ("firstline_send_seconds", "One call of a platform.", (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)),
}


class Metrics:
    """``observe`` takes steps in, ``page`` gives all out."""

    def __init__(self, insight: Insight, adapters: Sequence[str]) -> None:
        """``adapters`` are those that appear from the start, so that a rule finds a zero and not nothing."""
        # When a counter began is of no use to anybody here, and would double the page.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # of the library
        self._insight = insight
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        labels = ("adapter", "outcome")
        self._counters = {k: Counter(*words, labels, registry=self._registry) for k, words in _COUNTED.items()}
        self._timed = {
            kind: Histogram(name, said, registry=self._registry, buckets=buckets)
            for kind, (name, said, buckets) in _TIMED.items()
        }
        self._adapters = tuple(adapters)
        for adapter in self._adapters:
            self._counters["accept"].labels(adapter, "accepted")
            self._counters["handle"].labels(adapter, "handled")
            self._counters["deliver"].labels(adapter, "sent")

    def observe(self, step: Step) -> None:
        if step.kind in self._counters:
            self._counters[step.kind].labels(step.adapter, step.outcome).inc()
        if step.kind in self._timed and step.seconds:  # what was settled without being tried took no time
            self._timed[step.kind].observe(step.seconds)

    async def page(self, accept: str) -> tuple[bytes, str]:
        """All metrics in the format that the header ``Accept`` asks for, and its media type."""
        figures: Figures | None
        try:
            figures = await self._insight.figures()
        except DatabaseError:
            figures = None  # what this process counts is told all the same, and that the rest is missing
        state = _State(tuple(self._state(figures)))
        encode, media_type = choose_encoder(accept)
        self._registry.register(state)
        try:
            return encode(self._registry), media_type
        finally:
            self._registry.unregister(state)

    def _state(self, figures: Figures | None) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "firstline_build_info", "Always 1; the label says which version runs.", labels=["version"]
        )
        info.add_metric([__version__], 1)
        yield info
        running = GaugeMetricFamily("firstline_intake_running", "1: messages are taken from it.", labels=["adapter"])
        for name, said in self._insight.status.intake.items():
            running.add_metric([name], said == RUNS)
        yield running
        yield GaugeMetricFamily("firstline_database_up", "1: the database answers.", value=figures is not None)
        if figures is None:
            return
        yield from self._queues(figures, self._insight.clock())
        yield from self._tickets(figures)

    def _queues(self, figures: Figures, now: datetime) -> Iterator[Metric]:
        length = GaugeMetricFamily(
            "firstline_queue_length", "What waits, in all processes.", labels=["queue", "adapter"]
        )
        age = GaugeMetricFamily(
            "firstline_queue_oldest_seconds",
            "For how long the oldest has waited; 0: nothing.",
            labels=["queue", "adapter"],
        )
        found = {(queue.kind, queue.adapter): queue for queue in figures.queues}
        for kind, adapter in sorted({*((kind, adapter) for kind in QUEUES for adapter in self._adapters), *found}):
            queue = found.get((kind, adapter))
            length.add_metric([kind, adapter], queue.length if queue else 0)
            age.add_metric([kind, adapter], max((now - queue.oldest).total_seconds(), 0) if queue else 0)
        return iter((length, age))

    def _tickets(self, figures: Figures) -> Iterator[Metric]:
        tickets = GaugeMetricFamily("firstline_tickets", "Tickets by state.", labels=["adapter", "state"])
        opened = CounterMetricFamily("firstline_tickets_opened", "Tickets ever opened.", labels=["adapter"])
        sums = Sums[str](dict.fromkeys(self._adapters, 0))
        for (adapter, _), count in figures.tickets.items():
            sums[adapter] += count
        for adapter, total in sorted(sums.items()):
            opened.add_metric([adapter], total)
            for state in TicketState:
                tickets.add_metric([adapter, state.value], figures.tickets.get((adapter, state.value), 0))
        return iter((tickets, opened))


class _State(Collector):
    """What was read for one page."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)
