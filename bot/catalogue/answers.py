"""Approved answers with the company's data filled in; a line that lacks its data is left out, never guessed.

It must not know who asks or where the answer goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.catalogue.catalogue import Company
from bot.model import Language

BRACES = re.compile(r"\{[^{}\n]*\}")
PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)\}")


def placeholders(text: str) -> frozenset[str]:
    """The names in braces: ``company.phone`` for ``{company.phone}``."""
    return frozenset(PLACEHOLDER.findall(text))


def render_answer(
    text: str, language: Language, company: Company, override: Mapping[str, str | None] | None = None
) -> str:
    """``text`` as the customer reads it.

    ``override`` replaces values of the company (``company.hours``) by those of the customer's contract; None removes one.
    """
    values = {name: value[language] if value else None for name, value in company.values.items()} | dict(override or {})
    filled = (_fill(line, values) for line in text.split("\n"))
    kept = "\n".join(line.rstrip() for line in filled if line is not None)
    return re.sub(r"\n{3,}", "\n\n", kept).strip()


def _fill(line: str, values: Mapping[str, str | None]) -> str | None:
    names = placeholders(line)
    if any(not (values.get(name) or "").strip() for name in names):
        return None
    return PLACEHOLDER.sub(lambda match: (values[match[1]] or "").strip(), line)
