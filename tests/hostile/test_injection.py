"""Words of strangers stay words wherever they are shown: each of one list in every place that they get to.

What is asked of each place: nothing calls anybody, there is no link that the sender has put under other words, no tag gets through,
the strict servers take it, and the characters that were typed are read.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from adapters.slack.outbound import render as render_slack
from adapters.telegram.outbound import render as render_telegram
from bot.catalogue.catalogue import Catalogue
from bot.desk.effects import subject
from bot.desk.summary import quotation
from bot.dialogue.voice import Voice, escaped, quoted
from bot.files.names import one_line
from bot.model import ChatRef, OutboundMessage, Part
from bot.storage.codec import storable
from tests.hostile.strings import OVERRIDES, WORDS, characters
from tests.loopback.slack import LoopbackSlack
from tests.loopback.telegram import LoopbackTelegram
from tests.loopback.telegram_markup import visible

TELEGRAM, SLACK = ChatRef("telegram", "1"), ChatRef("slack", "T1:D1")

UNSEEN = {ord("␀"): None, ord("�"): None}
"""What stands for a character that cannot be kept."""
hostile = pytest.mark.parametrize("words", WORDS.values(), ids=WORDS)


class Tags(HTMLParser):
    """The tags of a page, and all that is to be read between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def shows(shown: str, words: str) -> None:
    """``words`` can be read in ``shown``, and do not turn the direction in which the rest is read."""
    assert characters(storable(words)).translate(UNSEEN) in characters(shown).translate(UNSEEN)
    assert not OVERRIDES.search(shown)


# --- what customers and staff read in chats ------------------------------------------------------------------------


def told(words: str, catalogue: Catalogue) -> tuple[str, ...]:
    """The ways in which words of strangers get into a text of ours: quoted, filled in, in a list."""
    voice, words = Voice(catalogue, "de", "HD-000001"), storable(words)
    return (
        quoted(words),
        f"Das haben wir:\n\n{quoted(words)}\n\nDanke.",
        voice.text("room.customer", name=one_line(words)),
        voice.text("summary.matter", text=quotation(words)),
        f"- **HD-000001** {escaped(subject(words))} · offen",
    )


def on_telegram(parts: tuple[Part, ...]) -> tuple[str, Tags]:
    """What is read, and its markup. Raises Refusal for what Telegram would not take."""
    server = LoopbackTelegram()
    pages = []
    for part in parts:
        params: Any = part.payload["params"]
        server._send(params)
        pages.append(str(params["text"]))
    return "".join(map(visible, pages)), Tags("".join(pages))


def on_slack(parts: tuple[Part, ...]) -> str:
    """What is read. Raises Refusal for what Slack would not take, such as a call or an open bracket."""
    server = LoopbackSlack()
    for part in parts:
        params: Any = part.payload["params"]
        server._do("chat.postMessage", params, server.bot_token)
    return "".join(read(sent) for sent in server.sent.values())


def read(sent: dict[str, Any]) -> str:
    texts = [block["text"]["text"] for block in sent["blocks"] if "text" in block]
    texts += [field["text"] for block in sent["blocks"] for field in block.get("fields", ())]
    assert not re.search(r"<(?!https?://)", "".join(texts))
    return re.sub(r"&(lt|gt|amp);", lambda m: {"lt": "<", "gt": ">", "amp": "&"}[m[1]], "\n".join(texts))


@hostile
def test_telegram_shows_words_as_they_were_typed(words: str, catalogue: Catalogue) -> None:
    for text in told(words, catalogue):
        shown, page = on_telegram(render_telegram(OutboundMessage(TELEGRAM, text)))
        shows(shown, words)
        assert page.tags <= {"b", "blockquote"}
        assert page.attributes == []


@hostile
def test_slack_shows_words_as_they_were_typed(words: str, catalogue: Catalogue) -> None:
    for text in told(words, catalogue):
        parts = render_slack(OutboundMessage(SLACK, text))
        shows(without_quotation(on_slack(parts)), words)


def without_quotation(text: str) -> str:
    return re.sub(r"^> ", "", text, flags=re.MULTILINE)
