"""A few of the damaged updates of `make fuzz`."""

from __future__ import annotations

import pytest

from tests.adapters.test_random_input import read
from tests.hostile.fuzz import SAMPLES, fuzz


@pytest.mark.parametrize("platform", SAMPLES)
def test_a_damaged_update_is_read_or_refused(platform: str) -> None:
    fuzz(platform, 20261126, 3000)


@pytest.mark.parametrize("platform", SAMPLES)
def test_a_whole_one_is_read(platform: str) -> None:
    for sample in SAMPLES[platform]:
        read(platform, sample)
