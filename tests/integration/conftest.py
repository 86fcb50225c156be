"""Fixtures of the tests of the durable core."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.storage.store import Store
from tests.integration.desk import Desk, a_desk


@pytest.fixture
async def desk(store: Store, catalogue: Catalogue) -> AsyncIterator[Desk]:
    async with a_desk(store, catalogue) as desk:
        yield desk
