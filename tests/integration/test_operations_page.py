"""docs/operations.md and its alert rules speak of metrics that there are, and what it says about PostgreSQL works."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bot.bootstrap import build, now
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.observing import Step
from bot.operations.metrics import Metrics
from bot.operations.status import Insight, Status
from bot.storage import migrate
from bot.storage.figures import QUEUES
from tests.conftest import PostgresServer, TestDatabase, libpq
from tests.fakes import FakeAdapter, FakeClassifier, a_message

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")
RULES: list[dict[str, Any]] = yaml.safe_load((DOCS / "prometheus-rules.yaml").read_text(encoding="utf-8"))["groups"][0][
    "rules"
]


async def _families(database: TestDatabase) -> dict[str, set[str]]:
    """The labels of each metric of ours."""
    metrics = Metrics(Insight(Status(intake={"fake": "runs"}), database.open(), now), ["fake"])
    metrics.observe(Step("fetch", "fake", "stored"))
    page, _ = await metrics.page("")
    await database.close()
    return {
        family.name + "_total" * (family.type == "counter"): {
            label for sample in family.samples for label in sample.labels if label != "le"
        }
        for family in text_string_to_metric_families(page.decode())
        if family.name.startswith("firstline_")
    }


async def test_the_page_names_every_metric_with_its_labels_and_no_other(database: TestDatabase) -> None:
    table = PAGE.split("<!-- metrics -->")[1].split("<!-- /metrics -->")[0]
    told = {
        name: set(re.findall(r"`(\w+)`", labels))
        for name, labels in re.findall(r"^\| `(\w+)` \|([^|]*)\|", table, re.MULTILINE)
    }
    assert told == await _families(database)


def test_the_page_names_every_queue() -> None:
    assert all(f"`{queue}`" in PAGE for queue in QUEUES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
async def test_an_alert_can_be_read_speaks_of_metrics_that_there_are_and_says_what_to_do(
    rule: dict[str, Any], database: TestDatabase
) -> None:
    promql_parser.parse(rule["expr"])
    named = set(re.findall(r"firstline_\w+", rule["expr"]))
    known = await _families(database)
    assert {name.removesuffix("_bucket") for name in named} <= set(known)
    for label, value in re.findall(r'(\w+)=~?"([^"]*)"', rule["expr"]):
        if label == "queue":
            assert any(re.fullmatch(value, queue) for queue in QUEUES), value
        elif label == "outcome":
            assert all(f"`{outcome}`" in PAGE for outcome in value.split("|")), value
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["action"]


async def test_what_the_page_says_about_backing_up_postgresql_works(
    postgres: PostgresServer, tmp_path: Path, catalogue: Catalogue
) -> None:
    """Each of its commands as it stands there, with the addresses filled in."""
    old, new = (TestDatabase(_a_database(postgres, name)) for name in ("dumped", "restored"))
    await migrate.upgrade(old.open())
    await old.close()
    adapter = FakeAdapter()
    await _one_ticket(old.url, tmp_path, adapter, catalogue, "m1")
    dump, restore = (
        re.search(rf"^\$ ({command} [^\n]*)$", PAGE, re.MULTILINE).group(1)  # type: ignore[union-attr]  # it is there
        for command in ("pg_dump", "pg_restore")
    )
    variables = {
        **os.environ,
        "PATH": f"{postgres.programs}:{os.environ['PATH']}",
        "FIRSTLINE_DATABASE_URL": libpq(old),
        "NEW_DATABASE": libpq(new),
    }
    restore = restore.partition(" && firstline")[0]
    for command in (dump, restore):
        await asyncio.to_thread(subprocess.run, command, shell=True, check=True, cwd=tmp_path, env=variables)
    gap = re.search(r"`(SELECT setval\([^`]*)`", PAGE)
    assert gap is not None
    await migrate.require_current(new.open())
    async with new.open().writing() as connection:
        await connection.exec_driver_sql(gap[1].removesuffix(";"))
    await new.close()
    again = FakeAdapter()
    await _one_ticket(new.url, tmp_path, again, catalogue, "m2")
    assert "HD-000001" in adapter.texts[0]
    assert "HD-001002" in again.texts[0]


def _a_database(server: PostgresServer, name: str) -> str:
    server.execute(f"CREATE DATABASE {name}")
    return re.sub(r"/postgres\?", f"/{name}?", server.url().partition("&options")[0])


async def _one_ticket(url: str, folder: Path, adapter: FakeAdapter, catalogue: Catalogue, message_id: str) -> None:
    settings = Settings(data=folder, database_url=url, burst_seconds=0)
    async with (
        build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as app,
        app.working(),
    ):
        await app.receiver(a_message("Der Drucker ist kaputt", chat=message_id, message_id=message_id))
        async with asyncio.timeout(10):
            while not adapter.sent:
                await asyncio.sleep(0.01)
        await app.engine.settled()
