"""One trace for each message, from its acceptance to the last reply: its id follows from the correlation that all steps know.

So nothing has to be stored or passed on for it, whichever process does which step. OpenTelemetry comes with the extra ``otel``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextvars import ContextVar
from importlib.metadata import entry_points

from opentelemetry import trace
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags

from bot import __version__
from bot.errors import SettingsError
from bot.observing import Kind, Step

_NAMES: dict[Kind, tuple[str, SpanKind]] = {
    "accept": ("accept message", SpanKind.CONSUMER),
    "handle": ("handle turn", SpanKind.INTERNAL),
    "deliver": ("deliver reply", SpanKind.CLIENT),
}
_BAD = frozenset({"broke", "failed", "dead", "uncertain"})
_root: ContextVar[tuple[int, int] | None] = ContextVar("root", default=None)


class Traces:
    """``observe`` makes spans of steps that have ended; steps of no message of its own make none."""

    def __init__(self, provider: TracerProvider) -> None:
        """``provider`` must have been made by ``provider_for``."""
        self._provider = provider
        self._tracer = provider.get_tracer("firstline", __version__)

    def observe(self, step: Step) -> None:
        if step.kind not in _NAMES or step.correlation is None:
            return
        self._span(step, step.correlation)
        for other in step.others:  # of each message of the turn it can be seen when it was handled
            self._span(step, other, Link(self._context(step.correlation)))

    def close(self) -> None:
        """Give out what has been gathered. May take as long as OTEL_EXPORTER_OTLP_TIMEOUT says."""
        self._provider.shutdown()

    def _span(self, step: Step, correlation: str, *links: Link) -> None:
        name, kind = _NAMES[step.kind]
        first = step.kind == "accept"
        parent = trace.set_span_in_context(NonRecordingSpan(self._context(correlation)))
        token = _root.set(_ids(correlation) if first else None)
        try:
            span = self._tracer.start_span(
                name,
                context=None if first else parent,
                kind=kind,
                start_time=step.began,
                links=links,
                attributes={
                    "firstline.correlation": correlation,
                    "firstline.adapter": step.adapter,
                    "firstline.outcome": step.outcome,
                    "firstline.attempt": step.attempt,
                },
            )
        finally:
            _root.reset(token)
        if step.outcome in _BAD:
            span.set_status(StatusCode.ERROR, step.outcome)
        span.end(step.began + round(step.seconds * 1e9))

    def _context(self, correlation: str) -> SpanContext:
        """The span of the acceptance, which another process may have made, or one that is never made where we began to speak."""
        trace_id, span_id = _ids(correlation)
        # Whoever made it has decided by the same rule and the same id.
        decision = self._provider.sampler.should_sample(None, trace_id, _NAMES["accept"][0]).decision
        flags = TraceFlags(TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)


class _Ids(RandomIdGenerator):
    """Random ones, except for a span whose ids are set."""

    def generate_trace_id(self) -> int:
        root = _root.get()
        return super().generate_trace_id() if root is None else root[0]

    def generate_span_id(self) -> int:
        root = _root.get()
        return super().generate_span_id() if root is None else root[1]


def provider_for(*exporters: SpanExporter) -> TracerProvider:
    """Sampling, limits, batches and resource go by the OTEL_ variables."""
    resource = Resource.create({"service.name": "firstline", "service.version": __version__})
    provider = TracerProvider(
        resource=resource.merge(OTELResourceDetector().detect()),
        id_generator=_Ids(),
        span_limits=SpanLimits(),
        shutdown_on_exit=False,
    )
    for exporter in exporters:
        provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def traces(names: Sequence[str]) -> Traces:
    """To the exporters that are registered under these names. Raises SettingsError for one that there is not."""
    return Traces(provider_for(*[_exporter(name) for name in names]))


def _exporter(name: str) -> SpanExporter:
    found = list(entry_points(group="opentelemetry_traces_exporter", name=name))
    if not found:
        raise SettingsError(
            f"The exporter {name} is not installed: set OTEL_TRACES_EXPORTER to otlp or console, and "
            "OTEL_EXPORTER_OTLP_PROTOCOL to http/protobuf."
        )
    exporter: SpanExporter = found[0].load()()
    return exporter


def _ids(correlation: str) -> tuple[int, int]:
    """The ids of the trace and of its first span. Samplers go by the bits of an id, and those of a UUID are not all random."""
    digest = hashlib.sha256(correlation.encode()).digest()
    return int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:24], "big")
