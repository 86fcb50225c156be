"""Keeps the knowledge in force, and replaces it by that of edited intent files: whole, or not at all.

It must not know what the knowledge is used for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from bot.config import Settings
from bot.errors import FirstlineError
from bot.knowledge import Knowledge

log = structlog.get_logger(__name__)


@dataclass
class KnowledgeBase:
    """``in_force`` is what turns are handled with from now on; a turn under way goes on with what it began with."""

    settings: Settings
    in_force: Knowledge

    async def reload(self) -> bool:
        """Load, check and train aside, then swap. False, and the last good catalogue stays, when the files have problems."""
        try:
            knowledge = await asyncio.to_thread(Knowledge.load, self.settings)
        except FirstlineError as error:
            log.error("catalogue_refused", in_force=self.in_force.version, error=str(error))
            return False
        self.in_force = knowledge
        log.info("catalogue_loaded", catalogue=knowledge.version)
        return True
