"""What operators can be told of the work: each step of it, once it has ended, with what became of it and how long it took.

It must not know who is told, nor carry a word, a name or an id of a customer: a correlation is a random number of ours.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import structlog

Kind = Literal["accept", "classify", "handle", "deliver", "fetch"]

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Step:
    """One piece of work. Whoever does it fills in ``outcome``, one of a few fixed words, and what else it learns on the way.

    ``correlation`` is that of the message that it is about, ``others`` those of more messages in the same turn; ``attempt`` counts
    from 1 where there can be several. ``began`` is in nanoseconds since 1970, ``seconds`` how long it took.
    """

    kind: Kind
    adapter: str = ""
    outcome: str = "broke"
    correlation: str | None = None
    others: tuple[str, ...] = ()
    attempt: int = 1
    began: int = field(default_factory=time.time_ns)
    seconds: float = 0.0


Observe = Callable[[Step], None]
"""Is told of a step that has ended. Returns at once."""


def unobserved(step: Step) -> None:
    """Nobody looks."""


@contextmanager
def observed(observe: Observe, kind: Kind, adapter: str = "", *, correlation: str | None = None) -> Iterator[Step]:
    """A step for the length of the block. Left by an exception it ``broke``, unless the block has said otherwise.

    Whatever is logged in it, here or in a library, names the correlation.
    """
    step, started = Step(kind, adapter, correlation=correlation), time.perf_counter()
    known = {} if correlation is None else {"correlation": correlation}
    try:
        with structlog.contextvars.bound_contextvars(**known):
            yield step
    except asyncio.CancelledError:
        step.outcome = "stopped"
        raise
    finally:
        step.seconds = time.perf_counter() - started
        tell(observe, step)


def tell(observe: Observe, step: Step) -> None:
    """Whoever observes badly must not harm the work."""
    try:
        observe(step)
    except Exception as error:
        log.warning("not_observed", step=step.kind, error=repr(error))
