"""What customers write and call themselves steers nobody's terminal: neither that of staff nor that of whoever chats there."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.markdown import Markdown
from rich.markup import escape
from rich.table import Table

import bot
from adapters.terminal import TerminalAdapter
from bot.model import ChatRef, File, OutboundMessage
from bot.screen import screen
from bot.storage.codec import storable
from tests.hostile.strings import STEERING, WORDS

hostile = pytest.mark.parametrize("words", [storable(words) for words in WORDS.values()], ids=WORDS)


@hostile
def test_a_command_shows_a_customers_words_and_obeys_none(words: str) -> None:
    kept = io.StringIO()
    out = screen(file=kept, width=100)
    table = Table("A", box=None)
    table.add_row(escape(words))
    out.print(table)
    out.print(escape(words))
    out.print(words, markup=False)
    out.print(Markdown(words))
    out.print_json(data={"text": words})
    assert not STEERING.search(kept.getvalue())


def test_rich_itself_may_still_colour() -> None:
    kept = io.StringIO()
    screen(file=kept, force_terminal=True, color_system="standard").print("[red]x[/]")
    assert "\x1b[31m" in kept.getvalue()


def test_no_command_prints_on_a_console_of_its_own() -> None:
    root = Path(bot.__file__).parent
    made = [file.name for file in root.rglob("*.py") if "= Console(" in file.read_text("utf-8")]
    assert made == ["screen.py"]


@pytest.mark.parametrize("form", ["rich", "plain", "json"])
@hostile
async def test_a_reply_and_a_files_name_do_not_steer_the_terminal(words: str, form: str) -> None:
    async def nothing() -> None: ...

    kept = io.StringIO()
    adapter = TerminalAdapter(answered=nothing, form=form, target=kept)  # type: ignore[arg-type] # a form, whichever
    file = File("k", words, "text/plain", 1)
    for part in adapter.render(OutboundMessage(ChatRef("terminal", "c"), words, attachments=(file,))):
        await adapter.send(part)
    assert not STEERING.search(kept.getvalue())
