"""A short storm over real processes, on each database; ``make chaos`` makes longer ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.storm import SHORT, Report, on_postgresql, on_sqlite
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
    assert report.findings.counts["arrived"] >= SHORT.messages - len(report.findings.left_to_people)
    assert report.disturbances["kill -9"] == SHORT.kills


async def test_a_storm_over_one_process_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    _weathered(await on_sqlite(SHORT, tmp_path).run())


async def test_a_storm_over_two_processes_loses_nothing_and_does_nothing_twice(
    tmp_path: Path, fragile: PostgresServer
) -> None:
    _weathered(await on_postgresql(replace(SHORT, seed=1), tmp_path, fragile).run())
