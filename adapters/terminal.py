"""The terminal as a chat platform: a conversation in a terminal, or a transcript read from standard input.

It must not know the core beyond the model and the ports.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Literal
from uuid import uuid4

from markdown_it import MarkdownIt
from markdown_it.token import Token
from prompt_toolkit import PromptSession
from prompt_toolkit.formatted_text import HTML
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.markdown import Markdown
from rich.padding import Padding

from adapters.invitations import invitation
from bot.model import ChatRef, InboundMessage, Limits, OutboundMessage, Part, Person
from bot.ports import Receive

Format = Literal["rich", "plain", "json"]

QUIT = ("/quit", "/exit", "/q")
NEW = "/new"

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What a terminal would obey: whoever writes a reply, or names a file, must not steer it."""

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable("reference")


class TerminalAdapter:
    name = "terminal"
    limits = Limits(text=100_000, buttons=20)

    def __init__(
        self,
        *,
        answered: Callable[[], Awaitable[None]],
        conversation: str | None = None,
        form: Format = "rich",
        source: IO[str] | None = None,
        target: IO[str] | None = None,
        history: Path | None = None,
        person: str = "you",
    ) -> None:
        """``answered`` returns once everything said so far has its reply. ``conversation`` names the chat, so that it can be gone
        on with later; without it each start is a new one. ``source``: lines to say instead of a person at the keyboard.
        """
        self._answered = answered
        self._chat = ChatRef(self.name, conversation or str(uuid4()))
        self._form = form
        self._source = source
        self._target = target or sys.stdout
        self._history = history
        self._person = Person(person, person)
        self._buttons: list[tuple[str, str]] = []

    async def run(self, receive: Receive) -> None:
        """Hand over line by line until the end of the input, waiting for the reply to each."""
        await self._answered()  # what an earlier run was interrupted in comes first
        if self._source is not None:
            await self._read(receive, self._source)
        else:
            await self._talk(receive)

    async def _read(self, receive: Receive, source: IO[str]) -> None:
        while line := await asyncio.to_thread(source.readline):
            if said := line.strip():
                if self._form != "json":
                    self._write(f"> {said}\n")
                await receive(self.to_inbound(said))
                await self._answered()

    async def _talk(self, receive: Receive) -> None:
        history = FileHistory(str(self._history)) if self._history else None
        session: PromptSession[str] = PromptSession(history=history)
        while True:
            try:
                with patch_stdout(raw=True):
                    said = (await session.prompt_async(HTML("<b><ansicyan>› </ansicyan></b>"))).strip()
            except (EOFError, KeyboardInterrupt):
                return
            if said in QUIT:
                return
            if said == NEW:
                self._chat = ChatRef(self.name, str(uuid4()))
                self._buttons = []
            elif said:
                await receive(self.to_inbound(said))
                await self._answered()

    def to_inbound(self, line: str) -> InboundMessage:
        """A number that stands for one of the buttons last shown presses it; anything else is said."""
        chosen = int(line) - 1 if line.isdecimal() and len(line) < 3 else -1
        action = self._buttons[chosen][1] if 0 <= chosen < len(self._buttons) else None
        identity = str(uuid4())
        return InboundMessage(
            chat=self._chat,
            message_id=identity,
            delivery_id=identity,
            sender=self._person,
            text="" if action else line,
            action=action,
            sent_at=datetime.now(UTC),
            invitation=invitation(line),
        )

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        buttons = [[button.label, button.action] for button in message.buttons]
        files = [[file.name, file.size] for file in message.attachments]
        return [Part(message.chat, {"text": message.text, "buttons": buttons, **({"files": files} if files else {})})]

    async def send(self, part: Part) -> str:
        text, buttons = _CONTROLS.sub("", str(part.payload["text"])), part.payload["buttons"]
        assert isinstance(buttons, list)
        self._buttons = [(str(label), str(action)) for label, action in buttons]
        files = part.payload.get("files", [])
        assert isinstance(files, list)
        files = [(_CONTROLS.sub("", name), size) for name, size in files]
        lines = [f"📎 {name} ({size:,} B)" for name, size in files]
        if self._form == "json":
            shown = [{"label": label, "action": action} for label, action in self._buttons]
            attached = {"files": [{"name": name, "size": size} for name, size in files]} if files else {}
            self._write(json.dumps({"text": text, "buttons": shown, **attached}, ensure_ascii=False) + "\n")
        elif self._form == "plain":
            options = "".join(f"  [{n}] {label}\n" for n, (label, _) in enumerate(self._buttons, 1))
            self._write("\n".join([text, *lines, options]) + "\n")
        else:
            self._show(text, lines)
        return str(uuid4())

    async def close(self) -> None:
        """A terminal holds nothing that would have to be given back."""

    def _show(self, text: str, lines: Sequence[str]) -> None:
        console = Console(file=self._target, highlight=False)
        console.print()
        markdown = Markdown(text)
        markdown.parsed = _parsed(text)
        console.print(Padding(markdown, (0, 2, 0, 2)))
        for line in lines:
            console.print(f"  {line}", markup=False)
        for number, (label, _) in enumerate(self._buttons, 1):
            console.print(f"  [bold cyan]{number}[/] [cyan]{label.replace('[', chr(92) + '[')}[/]")
        console.print()

    def _write(self, text: str) -> None:
        self._target.write(text)
        self._target.flush()


def _parsed(text: str) -> list[Token]:
    """Rich itself would take ``<i>`` for a tag, and leave it out. What entities stand for must not steer the terminal either."""
    tokens = _MARKDOWN.parse(text)
    for child in (child for token in tokens for child in token.children or ()):
        child.content = _CONTROLS.sub("", child.content)
    return tokens
