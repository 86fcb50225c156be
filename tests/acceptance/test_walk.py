"""Random customers and staff walk through thousands of turns of the real core, and never find a dead end, a loop or a slip.

What single dialogues look like stands in the YAML files.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.ports import Classifier
from bot.replay.setup import Setup, prepare
from bot.replay.stage import stage
from tests.acceptance.languages import Sentences
from tests.acceptance.walker import (
    ENGLISH,
    GERMAN,
    HOSTILE,
    NO,
    STAFF_DO,
    UNCLEAR,
    WHO,
    YES,
    Remembering,
    Walker,
)

WALKS, STEPS = 70, 60

SETUPS: dict[str, dict[str, Any] | None] = {
    "nobody is on file": None,
    "unknown": {
        "entitlement": "unknown",
        "directory": [{"company": "Beispiel AG", "number": "10442", "email": "it@beispiel.example"}],
        "tickets": [{"id": "HD-000123", "status": "in Bearbeitung", "subject": "Export", "customer": "Beispiel AG"}],
    },
    "proven, with a promise and an incident": {
        "now": "2026-03-06T15:00+01:00",
        "hours": "Mo-Fr 08:00-17:00 Europe/Berlin",
        "customer": "Beispiel AG",
        "directory": [
            {"company": "Beispiel AG", "number": "10442", "address": "du", "contracts": [{"first_response": "PT4H"}]}
        ],
        "tickets": [{"id": "HD-000123", "status": "in Bearbeitung", "subject": "Export", "customer": "Beispiel AG"}],
        "incidents": [{"text": {"de": "Der Mailversand steht.", "en": "No mail."}, "words": ["mailversand"]}],
    },
    "expired": {
        "customer": "Beispiel AG",
        "directory": [{"company": "Beispiel AG", "number": "10442", "entitled": False}],
    },
    "of two companies": {
        "entitlement": "unknown",
        "directory": [
            {"company": "Beispiel AG", "number": "10442", "contracts": [{"covers": ["excluded.training"]}]},
            {"company": "Muster Maschinenbau GmbH", "number": "20881"},
        ],
        "people": [{"name": "customer", "of": ["Beispiel AG", "Muster Maschinenbau GmbH"]}],
    },
}

said = st.one_of(
    st.sampled_from(GERMAN),
    st.sampled_from(ENGLISH),
    st.sampled_from(UNCLEAR + YES + NO + WHO),
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(GERMAN + ENGLISH + UNCLEAR), min_size=2, max_size=3).map(" ".join),
    st.text(max_size=60),
)
forged = st.sampled_from(
    ("yes", "no", "topic:../../etc", "topic:password_reset", "organisation:x", "contest", "", "💣")
)
step = st.one_of(
    st.tuples(st.just("says"), said),
    st.tuples(st.just("says"), said),
    st.tuples(st.just("says"), said),
    st.tuples(st.just("insists"), said),
    st.tuples(st.just("presses"), st.integers(0, 5)),
    st.tuples(st.just("presses"), st.integers(0, 30)),
    st.tuples(st.just("forges"), forged),
    st.tuples(st.just("edits"), said),
    st.tuples(st.just("deletes"), st.none()),
    st.tuples(st.just("sends a file"), st.sampled_from(("", "geht nicht", GERMAN[2]))),
    st.tuples(st.just("follows"), st.just("fl-forged")),
    st.tuples(st.just("tells the code"), st.booleans()),
    st.tuples(st.just("lets time pass"), st.sampled_from((1, 31, 300, 4 * 24 * 60))),
    st.tuples(st.just("staff"), st.sampled_from(STAFF_DO)),
)


def test_whoever_walks_through_the_bot_gets_on(shipped: Catalogue, understood: Classifier, tmp_path: Path) -> None:
    remembering, chosen = Remembering(understood), Settings(data=tmp_path)

    @given(situation=st.sampled_from(sorted(SETUPS)), steps=st.lists(step, min_size=STEPS // 2, max_size=STEPS))
    @settings(
        max_examples=WALKS,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        phases=[Phase.generate],  # a walk that fails is told step by step; to make it shorter would take too long
    )
    def walk(situation: str, steps: list[tuple[str, Any]]) -> None:
        asyncio.run(_walk(shipped, remembering, chosen, situation, steps))

    walk()


async def _walk(
    catalogue: Catalogue, classifier: Classifier, chosen: Settings, situation: str, steps: list[tuple[str, Any]]
) -> None:
    given_setup = SETUPS[situation]
    setup = Setup.model_validate(given_setup or {})
    if given_setup:
        chosen, catalogue = chosen.model_copy(update={"identify": "always"}), setup.catalogue(catalogue)
    async with stage(chosen, catalogue=catalogue, classifier=classifier, now=setup.now, mail=True) as play:
        if given_setup:
            await prepare(play, setup)
        walker = Walker(play, Sentences(catalogue))
        for what, how in steps:
            await walker.go(what, how)
