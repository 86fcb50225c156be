"""How the knowledge of the running bot stands, in a file of the data folder, so that admins see it from outside.

It must not know how knowledge is loaded.
"""

from __future__ import annotations

import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.errors import FirstlineError


class Refusal(BaseModel):
    """An edit that was not taken over. ``version`` is that of the refused files; ``problems`` are sentences."""

    model_config = ConfigDict(frozen=True)

    version: str
    at: datetime
    problems: tuple[str, ...]


class Standing(BaseModel):
    """``version`` is in force, read from ``folder`` at ``loaded_at``. ``warnings``: checks that hold no longer, harmlessly so.

    ``refused`` is the newest edit if it was refused; None as soon as one is taken over, or the files are put back.
    """

    model_config = ConfigDict(frozen=True)

    folder: str
    version: str
    loaded_at: datetime
    topics: int
    examples: int
    warnings: tuple[str, ...] = ()
    refused: Refusal | None = None

    def write(self, path: Path) -> None:
        """Replace the file in one step: whoever reads it finds all of it. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(self.model_dump_json(indent=1))
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises FirstlineError when no bot has written it, or it is damaged."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            raise FirstlineError(
                "No `firstline run` has been started with this data folder (FIRSTLINE_DATA)."
            ) from None
        except (OSError, ValidationError) as error:
            raise FirstlineError(f"{path} cannot be read: {error}") from None
