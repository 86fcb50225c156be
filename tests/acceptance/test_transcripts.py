"""Every YAML file of this folder is a set of dialogues, played through the real core. README.md says how to write one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.ports import Classifier
from tests.acceptance.transcript import Turn, playing

FOLDER = Path(__file__).parent


def dialogues() -> Iterator[Any]:
    for file in sorted(FOLDER.glob("*.yaml")):
        for dialogue in yaml.safe_load(file.read_text(encoding="utf-8")):
            yield pytest.param(dialogue, id=f"{file.stem}: {dialogue['dialogue']}")


@pytest.mark.parametrize("dialogue", tuple(dialogues()))
async def test_dialogue(
    dialogue: dict[str, Any], settings: Settings, shipped: Catalogue, understood: Classifier
) -> None:
    assert set(dialogue) <= {"dialogue", "setup", "turns"}
    async with playing(dialogue, settings, shipped, understood) as play:
        for turn in dialogue["turns"]:
            problems = await play.turn(Turn.model_validate(turn))
            assert not problems, "\n".join([*problems, "", *play.told])
