"""Words of strangers stay words wherever they are shown: each of one list in every place that they get to.

What is asked of each place: nothing calls anybody, there is no link that the sender has put under other words, no tag gets through,
the strict servers take it, and the characters that were typed are read.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from dataclasses import replace
from email import message_from_bytes
from email.policy import default
from html import unescape
from html.parser import HTMLParser
from typing import Any, Literal

import pytest
import structlog

from adapters.mail import MailAdapter
from adapters.slack import staff as slack_staff
from adapters.slack import views
from adapters.slack.outbound import render as render_slack
from adapters.telegram import topics
from adapters.telegram.outbound import render as render_telegram
from bot.agreement import register
from bot.catalogue.catalogue import Catalogue
from bot.desk.effects import subject
from bot.desk.summary import quotation
from bot.dialogue.voice import Voice, escaped, quoted
from bot.files.names import harmless, one_line
from bot.model import Button, Card, ChatRef, Choice, Field, File, Form, FormField, OutboundMessage, Page, Part
from bot.storage.codec import storable
from tests.hostile.conftest import Log
from tests.hostile.strings import OVERRIDES, STEERING, WORDS, characters
from tests.loopback.slack import LoopbackSlack
from tests.loopback.slack_blocks import check_escapes, check_view
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
    """A header is plain text, all else is Slack's markup."""
    texts = [block["text"]["text"] for block in sent["blocks"] if block["type"] == "section" and "text" in block]
    texts += [field["text"] for block in sent["blocks"] for field in block.get("fields", ())]
    assert "<" not in "".join(texts)
    headers = [block["text"]["text"] for block in sent["blocks"] if block["type"] == "header"]
    return "\n".join([*headers, *(re.sub(r"&(lt|gt|amp);", lambda m: unescape(m[0]), text) for text in texts)])


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


# --- where staff see a ticket --------------------------------------------------------------------------------------


def card_of(words: str, catalogue: Catalogue) -> Card:
    """With the words wherever somebody else's get into a card: the subject, names, conditions, what was said."""
    words = storable(words)
    voice = Voice(catalogue, "de", "HD-000001")
    return Card(
        "staff",
        1,
        f"HD-000001 · {subject(words)}",
        (Field("Kunde", one_line(words)), Field("Dateien", harmless(words)), Field("Zustimmung", one_line(words))),
        f"- {voice.text('summary.matter', text=quotation(words))}",
        (Button("Übernehmen", "staff:take:1"),),
    )


@hostile
def test_a_card_on_telegram_shows_words_as_they_were_typed(words: str, catalogue: Catalogue) -> None:
    card = card_of(words, catalogue)
    topic, drawn = topics.draw(ChatRef("telegram", "-1001"), card, None)
    name: Any = topic.payload["params"]
    shows(name["name"], characters(words)[:40])
    assert len(name["name"].splitlines()) == 1
    shown, page = on_telegram((replace(drawn, chat=TELEGRAM, payload=_to(drawn, "1")),))
    for value in (card.title, *(field.value for field in card.fields)):
        assert characters(value) in characters(shown)
    shows(shown, words)
    assert page.tags <= {"b"}


def _to(part: Part, chat: str) -> dict[str, object]:
    params: Any = part.payload["params"]
    return {"params": {**params, "chat_id": int(chat)}}


@hostile
def test_a_card_on_slack_shows_words_as_they_were_typed(words: str, catalogue: Catalogue) -> None:
    card = card_of(words, catalogue)
    shown = on_slack(slack_staff.draw(SLACK, card, None))
    for value in (card.title, *(field.value for field in card.fields)):
        assert characters(value) in characters(shown)
    shows(shown, words)


@hostile
def test_a_file_goes_out_under_one_harmless_name(words: str, catalogue: Catalogue) -> None:
    name = harmless(words)
    assert name.isprintable()
    assert not set(name) & set('/\\<>:"|?*%')
    file = File("k", name, "text/plain", 1)
    text = Voice(catalogue, "de").text("room.file", file=name, id="1")
    for chat, render in ((TELEGRAM, render_telegram), (SLACK, render_slack)):
        [part] = render(OutboundMessage(chat, text, attachments=(file,)))
        params: Any = part.payload["params"]
        said = visible(params["caption"]) if chat is TELEGRAM else unescape(params["initial_comment"])
        assert characters(name) in characters(said)
        if chat is SLACK:
            check_escapes(params["initial_comment"])


@hostile
def test_a_form_and_a_page_of_slack_hold_words_as_text(words: str) -> None:
    words = storable(words)
    choices = (Choice(one_line(words) or "–", (words or "–")[:150]),)
    fields = (
        FormField("staff:assign:1", one_line(words), (words or "–")[:150], choices),
        FormField("staff:note:1:w", "x", words),
    )
    shown = views.form(Form(one_line(words), "OK", fields), ChatRef("slack", "T1:C1", "1.2"))
    check_view(shown)
    assert json.loads(str(shown["private_metadata"]))["fields"][1][1] == words
    page = views.home(Page(f"Ihre Tickets:\n\n- {escaped(subject(words))}"))
    check_view(page)
    assert characters(subject(words)) in characters(read(page))


def test_a_form_of_any_length_is_one_that_slack_takes() -> None:
    """A list of staff may be longer than Slack shows, and an id longer than Slack gives back."""
    people = tuple(Choice(f"{'ü<' * 100}{n}", f"U{n}" * (1 if n % 7 else 90)) for n in range(300))
    fields = (FormField("staff:assign:1", "Wer", "U5", people), FormField("staff:note:1:w", "Notiz " * 900, "<@U1> & "))
    check_view(views.form(Form("HD-000001 " * 50, "Speichern " * 9, fields), ChatRef("slack", "T1:C1", "1.2")))


# --- mail, tables, pages, screens, the log --------------------------------------------------------------------------


@hostile
def test_a_mail_has_our_headers_and_no_others(words: str) -> None:
    words = storable(words)
    adapter = MailAdapter("localhost", 25, sender="Helpdesk <helpdesk@nord.example>")
    [part] = adapter.render(
        OutboundMessage(ChatRef("mail", "it@muster.example"), f"# {one_line(words)}\n\n{quoted(words)}")
    )
    mail = adapter.message("it@muster.example", str(part.payload["subject"]), str(part.payload["text"]))
    arrived = message_from_bytes(mail.as_bytes(), policy=default)
    assert {name.lower() for name in arrived} == {name.lower() for name in adapter.message("a@b.example", "x", "y")}
    assert arrived["To"] == "it@muster.example"
    assert "boese" not in str(arrived["From"]) + str(arrived["To"])
    shows(arrived.get_content(), words)


@hostile
@pytest.mark.parametrize("column", ["name", "contract", "modules", "products", "contacts"])
def test_a_register_holds_no_formula(words: str, column: str) -> None:
    """Neither as it is exported nor as somebody may have written it by hand: a cell that begins like one is refused."""
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=";").writerows([["number", "name", column], ["10442", "Nord", words]])
    rows = list(csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=";"))
    if column == "name":
        file = io.StringIO(newline="")
        csv.writer(file, delimiter=";").writerows([["number", "name"], ["10442", words]])
    entries, problems = register.read(file.getvalue(), {})
    if not problems:
        written = register.write(change.after for change in register.changes((), entries))
        rows = list(csv.reader(io.StringIO(written, newline=""), delimiter=";"))
        cells = [cell for row in rows for cell in row]
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
        assert not any(STEERING.search(cell) for cell in cells)


@hostile
@pytest.mark.parametrize("form", ["console", "json"])
def test_the_log_has_one_line_for_each_event(words: str, form: Literal["console", "json"], log: Log) -> None:
    log.configure(form, "info")
    structlog.get_logger("test").warning("not_of_staff", person=words)
    logging.getLogger("library").warning("skipped %s", words)
    assert len(log.getvalue().splitlines()) == 2
    assert not STEERING.search(log.getvalue())
