"""Fixtures of the tests of the durable core."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.desk.staff import Desk as StaffDesk
from bot.storage.store import Store
from tests.fakes import by_name
from tests.integration.desk import Desk, a_desk


@pytest.fixture
async def desk(store: Store, catalogue: Catalogue) -> AsyncIterator[Desk]:
    async with a_desk(store, catalogue) as desk:
        yield desk


@pytest.fixture
def staff(desk: Desk, catalogue: Catalogue) -> StaffDesk:
    """What staff can do, on the same database as ``desk``."""
    return StaffDesk(desk.store, desk.engine, by_name(desk.adapter), lambda: catalogue, desk.clock, "de")
