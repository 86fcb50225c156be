"""What a test can make the next call of a method meet.

It must not know any platform.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """What the next call of a method meets: ``status`` as an answer, ``hang`` after doing it, ``drop`` before doing it, ``cut``
    in the middle of the answer."""

    status: int = 0
    retry_after: int = 0
    hang: bool = False
    drop: bool = False
    html: bool = False
    cut: bool = False
