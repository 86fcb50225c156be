"""The menus of commands that Telegram shows beside the field where people write.

It must not know what a command does.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from telegram.error import TelegramError

from adapters.telegram.client import Client
from bot.model import Command

log = logging.getLogger(__name__)


async def show_menus(client: Client, commands: Sequence[Command]) -> None:
    """One menu for each language; that of the first command is shown to speakers of all others, too. Fails nothing."""
    offered = [command for command in commands if command.label]
    for language in dict.fromkeys([None, *(command.language for command in offered)] if offered else ()):
        spoken = language or offered[0].language
        menu = [{"command": c.name, "description": c.label} for c in offered if c.language == spoken]
        try:
            params: dict[str, object] = {"commands": menu} | ({"language_code": language} if language else {})
            await client.call("setMyCommands", params)
        except TelegramError as error:
            log.warning("the menu of commands could not be set: %s", error)
