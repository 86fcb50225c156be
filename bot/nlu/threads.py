"""Bounds the threads of the numeric libraries. It must not know what they compute."""

from __future__ import annotations

from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it publishes no types


def limit_threads(threads: int) -> None:
    """Let BLAS and OpenMP use ``threads`` threads, in the whole process and from now on.

    For good rather than for the length of a call: the limit is the process's, and calls from several threads would restore each
    other's. Libraries loaded later start with their own default, so call it again after importing them.
    """
    threadpool_limits(limits=threads)
