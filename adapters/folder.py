"""A folder as a chat platform: other programs put messages into it and take the replies out. docs/adapters.md walks through it.

It must not know the core beyond the model, the ports and the errors.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from adapters.invitations import invitation
from bot.errors import DeliveryError, FirstlineError, SettingsError
from bot.model import ChatRef, InboundMessage, Limits, OutboundMessage, Part, Person
from bot.ports import Receive

log = logging.getLogger(__name__)


class UnreadableError(ValueError):
    """The file is no message."""


class FolderAdapter:
    """``path`` has the folders ``in``, ``done``, ``unreadable`` and ``out``; ``every`` is how often it is looked at, in seconds."""

    name = "folder"
    exclusive = True
    limits = Limits(text=100_000, buttons=20)

    def __init__(self, path: str, *, every: float | str = 0.5) -> None:
        self._root, self._every = Path(path), float(every)
        try:
            for folder in ("in", "done", "unreadable", "out"):
                (self._root / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"FIRSTLINE_FOLDER_PATH: {path} cannot be used: {error.strerror}.") from error

    async def run(self, receive: Receive) -> None:
        """Take what lies in ``in``, in the order of the names, until cancelled."""
        while True:
            try:
                for file in await asyncio.to_thread(self._waiting):
                    await self._take(file, receive)
            except FirstlineError as error:  # it could not be stored: nothing behind it may overtake it
                log.warning("left where it is, to be taken again: %s", error)
            await asyncio.sleep(self._every)

    async def _take(self, file: Path, receive: Receive) -> None:
        try:
            message = to_inbound(file.stem, await asyncio.to_thread(file.read_bytes))
        except (UnreadableError, OSError) as error:
            log.warning("%s was skipped: %s", file.name, error)
            await asyncio.to_thread(self._move, file, "unreadable")
            return
        await receive(message)
        await asyncio.to_thread(self._move, file, "done")  # only now: whoever put it there may hear that it has arrived

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        buttons = [{"label": button.label, "action": button.action} for button in message.buttons]
        files = [{"key": file.key, "name": file.name} for file in message.attachments]
        payload = {"chat": message.chat.chat_id, "text": message.text, "buttons": buttons, "files": files}
        return [Part(message.chat, {**payload, "edit_of": message.edit_of})]

    async def send(self, part: Part) -> str:
        return await asyncio.to_thread(self._write, part)

    async def close(self) -> None:
        """A folder holds nothing that would have to be given back."""

    def _waiting(self) -> list[Path]:
        return sorted((self._root / "in").glob("*.json"))

    def _move(self, file: Path, to: str) -> None:
        file.replace(self._root / to / file.name)

    def _write(self, part: Part) -> str:
        """Whole or not at all: it gets its name when it is on the disk."""
        name = f"{time.time_ns():020d}-{uuid4().hex}.json"
        draft = self._root / "out" / f".{name}"
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump(dict(part.payload), file, ensure_ascii=False)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(draft.with_name(name))
        except OSError as error:
            raise DeliveryError(f"The reply cannot be written: {error.strerror}") from error
        return name


def to_inbound(identity: str, content: bytes) -> InboundMessage:
    """The message in a file; its name is what makes it itself. Raises UnreadableError."""
    try:
        match json.loads(content):
            case {"chat": str(chat), "from": str(sender), **more} if chat and sender:
                text, action = more.get("text", ""), more.get("action")
            case _:
                raise UnreadableError("chat or from is missing")
    except (ValueError, RecursionError) as error:
        raise UnreadableError(str(error)) from error
    if not isinstance(text, str) or not (action is None or isinstance(action, str)):
        raise UnreadableError("text or action is no text")
    return InboundMessage(
        chat=ChatRef("folder", chat),
        message_id=identity,
        delivery_id=identity,
        sender=Person(sender, str(more.get("name") or sender)),
        text=text,
        sent_at=datetime.now(UTC),
        action=action,
        edit_of=_name(more, "edit_of"),
        deletion_of=_name(more, "deletion_of"),
        invitation=invitation(text),
    )


def _name(fields: Mapping[Any, Any], key: str) -> str | None:
    value = fields.get(key)
    return value if isinstance(value, str) else None
