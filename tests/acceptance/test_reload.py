"""Intent files edited under a running bot: a good edit is taken over whole, a bad one leaves everything as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

from bot.bootstrap import build
from bot.config import Settings
from bot.ports import Classifier


async def test_a_bad_edit_leaves_the_last_good_catalogue_in_force(
    settings: Settings, understood: Classifier, tmp_path: Path
) -> None:
    folder = tmp_path / "intents"
    shutil.copytree(settings.intents, folder)
    own = settings.model_copy(update={"intents": folder, "encoder": "none", "database_url": "sqlite://"})
    async with build(own, adapters=[], classifier=understood) as app:
        before = app.knowledge.in_force
        topic = folder / "faq" / "terms_agb.yaml"
        good = topic.read_text(encoding="utf-8")

        topic.write_text(good.replace("category:", "categry:"), encoding="utf-8")
        assert not await app.knowledge.reload()
        assert app.knowledge.in_force is before
        assert before.classifier is understood
        for file in folder.rglob("*.yaml"):
            file.unlink()
        assert not await app.knowledge.reload()
        assert app.knowledge.in_force is before
