"""A short storm over real processes, on each database; ``make chaos`` makes longer ones.

In the one staff sit on Telegram, in the other on Slack.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos import engines
from tests.chaos.disturb import SHORT
from tests.chaos.storm import Report, Storm
from tests.conftest import PostgresServer


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Senders die in the middle of their requests, of which the loopback servers would tell at length."""
    caplog.set_level(logging.CRITICAL, "aiohttp.server")


@pytest.fixture
def fragile() -> Iterator[PostgresServer]:
    """A server of its own, since it is crashed."""
    server = PostgresServer()
    yield server
    server.close()


def _weathered(report: Report) -> None:
    assert report.problems == [], str(report)
    found = report.findings
    assert found.counts["arrived"] + found.counts["read by staff instead"] >= SHORT.messages - len(found.left_to_people)
    assert found.counts["taken over"]
    assert found.counts["files"]
    assert report.disturbances["kill -9"] == SHORT.kills


async def test_a_storm_over_one_process_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    _weathered(await Storm(SHORT, tmp_path, engines.sqlite(tmp_path)).run())


async def test_a_storm_over_two_processes_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, fragile: PostgresServer
) -> None:
    _weathered(await Storm(replace(SHORT, seed=3), tmp_path, engines.postgresql(fragile)).run())
