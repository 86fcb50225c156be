"""Looks at the intent files: can the bot speak from them, and what of the company's data is still to be filled in.

It must not know what they say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bot.catalogue.load import inspect, needed_texts
from bot.config import Settings, shipped_intents
from bot.model import Finding

COMPANY = "company.yaml"


async def intents(settings: Settings) -> AsyncIterator[Finding]:
    catalogue, problems = await asyncio.to_thread(inspect, settings.intents, needed_texts(shipped_intents()))
    errors = [problem for problem in problems if problem.severity == "error"]
    if catalogue is None:
        first = f" The first: {errors[0]}" if errors else ""
        message = (
            f"The intent files in {settings.intents} have {len(errors)} errors, so no bot can start with them.{first}"
        )
        yield Finding("error", message, "`firstline intents check` shows all with line and remedy.")
        return
    yield Finding(
        "ok", f"{len(catalogue.topics)} topics with {len(catalogue.examples)} examples, version {catalogue.version}."
    )
    gaps = sorted(name.removeprefix("company.") for name, value in catalogue.company.values.items() if value is None)
    if gaps:
        message = f"{len(gaps)} values of {COMPANY} are not filled in, so answers leave lines out: {', '.join(gaps)}."
        yield Finding("warning", message, f"Fill them in, in {settings.intents / COMPANY}.")
    others = [problem for problem in problems if problem.severity != "error" and problem.file != COMPANY]
    if others:
        yield Finding(
            "note", f"{len(others)} more remarks on the intent files.", "`firstline intents check` shows them."
        )
