"""The menus of commands that Telegram shows beside the field where people write.

It must not know what a command does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from telegram.error import TelegramError

from adapters.telegram.client import Client
from adapters.telegram.outbound import number_of
from bot.model import Command

log = logging.getLogger(__name__)

LONGEST = 256  # characters of what a menu says about a command


async def show_menus(client: Client, commands: Sequence[Command]) -> None:
    """One menu for each language; that of the first command is shown to speakers of all others, too. Fails nothing."""
    offered = [command for command in commands if command.label]
    for language in dict.fromkeys([None, *(command.language for command in offered)] if offered else ()):
        spoken = language or offered[0].language
        menu = [command for command in offered if command.language == spoken]
        await _show(client, menu, {"language_code": language} if language else {})


async def show_staff_menus(client: Client, commands: Sequence[Command], chats: Sequence[str]) -> None:
    """In the chats of staff their own menu takes the place of that of customers. Fails nothing."""
    for chat in chats if commands else ():
        await _show(client, commands, {"scope": {"type": "chat", "chat_id": number_of(chat) or chat}})


async def _show(client: Client, menu: Sequence[Command], where: Mapping[str, object]) -> None:
    said = [{"command": c.name, "description": (c.label or c.name)[:LONGEST]} for c in menu]
    try:
        await client.call("setMyCommands", {"commands": said, **where})
    except TelegramError as error:
        log.warning("the menu of commands could not be set: %s", error)
