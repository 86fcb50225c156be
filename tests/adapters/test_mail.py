"""Mail through a real SMTP conversation: what arrives, and what each failure means."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from email import message_from_bytes
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adapters
from adapters.mail import MailAdapter, mailable
from bot.errors import DeliveryError
from bot.model import Button, ChatRef, OutboundMessage, Part
from tests.loopback.smtp import LoopbackSmtp, trusting

TO = ChatRef("mail", "it@muster.example")
SENDER = "Helpdesk Nord <helpdesk@nord.example>"
CONTEXT = trusting()


@pytest.fixture
async def server() -> AsyncIterator[LoopbackSmtp]:
    async with LoopbackSmtp().serve() as server:
        yield server


def _adapter(server: LoopbackSmtp, **options: Any) -> MailAdapter:
    known: dict[str, Any] = {"sender": SENDER, "security": server.security, "timeout": 2.0, "context": CONTEXT}
    return MailAdapter("localhost", server.port, **known | options)


def _part(adapter: MailAdapter, text: str = "# Ihr Code\n\nGuten Tag,\n\n123456", to: ChatRef = TO) -> Part:
    (part,) = adapter.render(OutboundMessage(to, text))
    return part


async def _fails(adapter: MailAdapter, part: Part | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await adapter.send(part or _part(adapter))
    return caught.value


# --- what arrives -------------------------------------------------------------------------------------


def test_it_is_found_by_its_name() -> None:
    assert adapters.load("mail") is MailAdapter


async def test_a_mail_arrives_encrypted_with_subject_and_words(server: LoopbackSmtp) -> None:
    adapter = _adapter(server)
    platform_id = await adapter.send(
        _part(adapter, "# Ihr Bestätigungscode\n\nGrüße,\n\n**123456** (\u20ac)\n\n.\n\nEnde")
    )
    (mail,) = server.mails
    assert (mail.sender, mail.to, mail.encrypted) == ("helpdesk@nord.example", ["it@muster.example"], True)
    content = mail.content
    assert content["Subject"] == "Ihr Bestätigungscode"
    assert content["From"] == SENDER
    assert content["To"] == "it@muster.example"
    assert content["Message-ID"] == platform_id
    assert platform_id.endswith("@nord.example>")
    assert content["Auto-Submitted"] == "auto-generated"
    assert content["Date"] is not None
    assert content.get_content_type() == "text/plain"
    assert content.get_content().split() == ["Grüße,", "123456", "(€)", ".", "Ende"]


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_it_logs_in_where_that_is_wanted(security: str) -> None:
    async with LoopbackSmtp(security=security, users={"bot": "geheim"}).serve() as server:
        adapter = _adapter(server, user="bot", password="geheim")
        await adapter.send(_part(adapter))
        assert [(mail.user, mail.encrypted) for mail in server.mails] == [("bot", True)]


async def test_a_relay_on_the_own_machine_needs_no_encryption() -> None:
    async with LoopbackSmtp(security="none").serve() as server:
        adapter = _adapter(server)
        await adapter.send(_part(adapter))
        assert len(server.mails) == 1


def test_markdown_becomes_what_people_write_in_a_mail() -> None:
    adapter = MailAdapter("localhost", 25, sender=SENDER)
    (part,) = adapter.render(
        OutboundMessage(TO, "Erste **Zeile**\n\n- [hier](https://a.example)\n- zwei", (Button("x", "y"),))
    )
    assert part.payload == {
        "subject": "Erste Zeile",
        "text": "Erste Zeile\n\n• hier (https://a.example)\n• zwei\n",
    }


async def test_it_receives_nothing_and_needs_no_closing() -> None:
    async def receive(_: object) -> None:
        raise AssertionError("mail never comes in")

    adapter = MailAdapter("localhost", 25, sender=SENDER)
    await adapter.run(receive)
    await adapter.close()


# --- what fails ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
async def test_an_address_that_does_not_exist_is_final(server: LoopbackSmtp, step: str) -> None:
    server.answers[step] = "550 no such user here"
    error = await _fails(_adapter(server))
    assert error.permanent
    assert not error.uncertain
    assert "550 no such user here" in str(error)


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
async def test_a_server_that_says_not_now_is_asked_again_later(server: LoopbackSmtp, step: str) -> None:
    server.answers[step] = "451 grey-listed"
    error = await _fails(_adapter(server))
    assert not error.permanent
    assert not error.uncertain
    assert error.retry_after is not None


async def test_a_sender_that_is_refused_is_no_fault_of_the_mail(server: LoopbackSmtp) -> None:
    server.answers["MAIL"] = "553 you may not send as this"
    error = await _fails(_adapter(server))
    assert not error.permanent
    assert not error.uncertain


async def test_a_server_that_is_away_is_certain_not_to_have_it() -> None:
    async with LoopbackSmtp().serve() as server:
        adapter = _adapter(server)
    error = await _fails(adapter)
    assert not error.permanent
    assert not error.uncertain


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
async def test_a_connection_that_is_cut_before_the_mail_is_handed_over_is_certain(
    server: LoopbackSmtp, step: str
) -> None:
    server.drop = step
    assert not (await _fails(_adapter(server))).uncertain


async def test_a_connection_that_is_cut_after_the_mail_was_handed_over_leaves_it_open(server: LoopbackSmtp) -> None:
    server.drop = "DATA"
    error = await _fails(_adapter(server))
    assert error.uncertain
    assert not error.permanent


async def test_a_server_that_never_answers_the_mail_leaves_it_open(server: LoopbackSmtp) -> None:
    server.hang = "DATA"
    assert (await _fails(_adapter(server, timeout=0.3))).uncertain


async def test_a_wrong_password_keeps_the_mail_until_it_is_mended() -> None:
    async with LoopbackSmtp(users={"bot": "geheim"}).serve() as server:
        error = await _fails(_adapter(server, user="bot", password="falsch"))
    assert not error.permanent
    assert not error.uncertain
    assert "falsch" not in str(error)
    assert "535" in str(error)


async def test_nothing_is_said_to_a_server_that_cannot_encrypt() -> None:
    async with LoopbackSmtp(security="none").serve() as server:
        error = await _fails(_adapter(server, security="starttls"))
        assert server.tried == 0
    assert not error.permanent


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_nothing_is_said_to_a_server_that_is_not_whom_it_says(security: str) -> None:
    async with LoopbackSmtp(security=security, host="other.example").serve() as server:
        error = await _fails(_adapter(server))
        assert server.tried == 0
    assert not error.permanent
    async with LoopbackSmtp(security=security).serve() as server:
        await _fails(_adapter(server, context=ssl.create_default_context()))
        assert server.tried == 0


async def test_a_slow_server_holds_nobody_up(server: LoopbackSmtp) -> None:
    server.hang = "RCPT"
    adapter = _adapter(server, timeout=1.0)
    sending = asyncio.create_task(_fails(adapter))
    async with asyncio.timeout(0.5):
        for _ in range(10):
            await asyncio.sleep(0.01)
    assert not sending.done()
    assert not (await sending).uncertain


# --- hostile content ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@b",
        "a b@c.example",
        "a@c.example\r\nBcc: x@y.example",
        "a@c.example\nRCPT TO:<x@y.example>",
        "a@c.example,x@y.example",
        "<a@c.example>",
        "a@c.example>",
        '"a b"@c.example',
        ".a@c.example",
        "a..b@c.example",
        "ä@c.example",
        "a@-.example\x00",
        "a" * 65 + "@c.example",
        "a@" + "b" * 64 + ".example",
        "a@" + "b." * 130 + "example",
        "a@\ud800.example",
    ],
)
async def test_what_is_no_address_is_never_said_to_a_server(server: LoopbackSmtp, address: str) -> None:
    assert mailable(address) is None
    adapter = _adapter(server)
    error = await _fails(adapter, Part(ChatRef("mail", address), {"subject": "x", "text": "x"}))
    assert error.permanent
    assert server.tried == 0


def test_a_german_domain_is_mailed_in_its_ascii_form() -> None:
    assert mailable("info@müller.example") == "info@xn--mller-kva.example"
    assert mailable("o'brien+it@c.example") == "o'brien+it@c.example"


@pytest.mark.parametrize("sender", ["", "Helpdesk", "a@b", "a@b.example\nBcc: x@y.example"])
def test_a_sender_that_is_no_address_is_refused_at_start(sender: str) -> None:
    with pytest.raises(ValueError, match="not an e-mail address"):
        MailAdapter("localhost", 25, sender=sender)


async def test_nothing_in_subject_or_text_becomes_a_header_or_a_command(server: LoopbackSmtp) -> None:
    adapter = _adapter(server)
    text = "a\r\nBcc: x@y.example\r\n.\r\nMAIL FROM:<x@y.example>\x00\ud800\u2028"
    await adapter.send(Part(TO, {"subject": f"Hallo {text}", "text": text}))
    (mail,) = server.mails
    assert mail.to == ["it@muster.example"]
    assert mail.content["Bcc"] is None
    assert mail.content["Subject"] == "Hallo a Bcc: x@y.example . MAIL FROM:<x@y.example>"
    assert "\nBcc: x@y.example\n.\nMAIL FROM:<x@y.example>" in mail.content.get_content().replace("\r", "")


@pytest.mark.parametrize("word", ["=?utf-8?q?=0d=0aBcc:_x=40y.example?=", "=?utf-8?b?DQpCY2M6IHhAeS5leGFtcGxl?="])
async def test_no_encoded_word_in_a_subject_is_decoded_into_a_header(server: LoopbackSmtp, word: str) -> None:
    adapter = _adapter(server)
    await adapter.send(_part(adapter, f"# Ticket {word}\n\nText"))
    (mail,) = server.mails
    assert mail.content["Bcc"] is None
    assert mail.content["Subject"] == f"Ticket {word}".replace("=?", "= ?")


@given(subject=st.text(max_size=300), text=st.text(max_size=300))
def test_any_subject_and_text_make_one_mail_with_our_headers_only(subject: str, text: str) -> None:
    adapter = MailAdapter("localhost", 25, sender=SENDER, context=CONTEXT)
    read = message_from_bytes(adapter.message(TO.chat_id, subject, text).as_bytes())
    assert sorted(read.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
         "Content-Type", "Content-Transfer-Encoding", "MIME-Version"]
    )  # fmt: skip
