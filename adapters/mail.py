"""E-mail as a platform that can only be sent to: one message is one mail in plain text, handed to an SMTP server.

It must not know why anything is mailed.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime, make_msgid, parseaddr
from typing import Literal

from adapters.markup import parse
from bot.errors import DeliveryError
from bot.model import Limits, OutboundMessage, Part
from bot.ports import Receive

Security = Literal["starttls", "tls", "none"]

LONGEST_SUBJECT = 150
TRY_AGAIN = timedelta(minutes=1)
"""What a server that says "not now" is given: grey-listing lets nobody in sooner."""

_HEADING = re.compile(r"\A#{1,6}[ \t]+([^\n]*)(?:\n|\Z)")
_ADDRESS = re.compile(r"[!#$%&'*+/=?^_`{|}~0-9A-Za-z.-]{1,64}@(?:[\w-]{1,63}\.)+[\w-]{2,63}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class _Server:
    """Where mail is handed in."""

    host: str
    port: int
    security: Security
    user: str | None
    password: str | None
    timeout: float
    context: ssl.SSLContext


class MailAdapter:
    """The chat id is the address."""

    name = "mail"
    limits = Limits(text=100_000, buttons=0)

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        security: Security = "starttls",
        user: str | None = None,
        password: str | None = None,
        timeout: float = 20.0,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """``sender`` is the address that mail comes from, as in ``Helpdesk <helpdesk@example.com>``; ``timeout`` is in seconds for
        each step; ``context`` None: the certificates that the machine trusts. Raises ValueError when the sender is no address.
        """
        name, written = parseaddr(sender)
        address = mailable(written)
        if address is None or _CONTROL.search(sender):
            raise ValueError(f"{sender!r} is not an e-mail address")
        trusted = context or ssl.create_default_context()
        self._server = _Server(host, port, security, user, password, timeout, trusted)
        self._address = address
        self._sender = Address(display_name=name, addr_spec=address)

    async def run(self, receive: Receive) -> None:
        """Nothing ever comes in."""

    def render(self, message: OutboundMessage) -> Sequence[Part]:
        """A heading at the beginning is the subject, else the first line is. Raises ValueError for attachments."""
        if message.attachments:
            raise ValueError("files are not sent by mail")
        heading = _HEADING.match(message.text)
        text = _plain(message.text[heading.end() :] if heading else message.text)
        subject = _plain(heading[1]) if heading else text.strip().partition("\n")[0]
        return [Part(message.chat, {"subject": _line(subject), "text": text.strip() + "\n"})]

    async def send(self, part: Part) -> str:
        to = mailable(part.chat.chat_id)
        if to is None:
            raise DeliveryError("this is not an address that mail can be sent to", permanent=True)
        try:
            message = self.message(to, str(part.payload["subject"]), str(part.payload["text"]))
        except (ValueError, MessageError) as error:
            raise DeliveryError(f"this cannot be mailed: {error}", permanent=True) from error
        # A mail takes its time and there are few: the standard library in a thread does what another dependency would.
        await asyncio.to_thread(_hand_in, self._server, self._address, to, message.as_bytes())
        return str(message["Message-ID"])

    async def greet(self) -> None:
        """Log in at the server and leave again, to see whether it would take mail. Raises DeliveryError."""
        await asyncio.to_thread(_greeted, self._server)

    async def close(self) -> None:
        """Every mail has a connection of its own."""

    def message(self, to: str, subject: str, text: str) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = Address(addr_spec=to)
        message["Subject"] = _line(subject)
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = make_msgid(domain=self._sender.domain)
        # So that no holiday notice comes back (RFC 3834; Exchange goes by the second).
        message["Auto-Submitted"] = "auto-generated"
        message["X-Auto-Response-Suppress"] = "All"
        message.set_content(_UNWRITABLE.sub("", text), cte="quoted-printable")
        return message


def mailable(address: str) -> str | None:
    """The address as SMTP takes it, its domain in ASCII; None if mail cannot be sent there."""
    if len(address) > 254 or not _ADDRESS.fullmatch(address):
        return None
    local, _, domain = address.rpartition("@")
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return None
    try:
        return f"{local}@{domain.encode('idna').decode('ascii')}"
    except UnicodeError:
        return None


def _plain(markdown: str) -> str:
    """Markdown as people would write it in a mail: no stars, the address of a link behind its words."""
    words = []
    for run in parse(markdown):
        link = next((style.detail for style in run.styles if style.kind == "link"), "")
        words.append(f"{run.text} ({link})" if link and link.removeprefix("mailto:") != run.text else run.text)
    return "".join(words)


def _line(text: str) -> str:
    """One line without anything that could end a header and begin another.

    What looks like an encoded word (RFC 2047) would be decoded where the header is written, with the line breaks in it.
    """
    line = " ".join(_CONTROL.sub(" ", _UNWRITABLE.sub("", text)).split()).replace("=?", "= ?")
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 1] + "…"


def _hand_in(server: _Server, sender: str, to: str, message: bytes) -> None:
    """Raises DeliveryError: this is the one place where the failures of SMTP become ours."""
    client = _let_in(server)
    try:
        _envelope(client, sender, to)
        code, answer = client.data(message)
        if code != 250:
            raise _refused(code, answer)
        with contextlib.suppress(OSError, smtplib.SMTPException):
            client.quit()  # it has the mail: how it says good-bye changes nothing
    except smtplib.SMTPDataError as error:
        raise _refused(error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"the mail server fell silent: {_words(error)}", uncertain=True) from error
    finally:
        client.close()


def _greeted(server: _Server) -> None:
    client = _let_in(server)
    with contextlib.suppress(OSError, smtplib.SMTPException):
        client.quit()
    client.close()


def _let_in(server: _Server) -> smtplib.SMTP:
    try:
        return _connected(server)
    except (OSError, smtplib.SMTPException) as error:
        # The set-up is wrong or the server is away; neither is the mail's fault, so it keeps until that is mended.
        raise DeliveryError(f"the mail server did not let us in: {_words(error)}") from error


def _connected(server: _Server) -> smtplib.SMTP:
    if server.security == "tls":
        client: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=server.timeout, context=server.context
        )
    else:
        client = smtplib.SMTP(server.host, server.port, timeout=server.timeout)
    try:
        if server.security == "starttls":
            client.starttls(context=server.context)
        if server.user is not None and server.password is not None:
            client.login(server.user, server.password)
        client.ehlo_or_helo_if_needed()
    except BaseException:
        client.close()
        raise
    return client


def _envelope(client: smtplib.SMTP, sender: str, to: str) -> None:
    try:
        code, answer = client.mail(sender)
        if code != 250:
            # Our own address is refused: that is the set-up's fault, and no other mail would fare better.
            raise DeliveryError(_refused(code, answer).args[0], retry_after=TRY_AGAIN)
        code, answer = client.rcpt(to)
    except (OSError, smtplib.SMTPException) as error:
        raise DeliveryError(f"the mail server went away: {_words(error)}") from error
    if code not in (250, 251):
        raise _refused(code, answer)


def _refused(code: int, answer: bytes | str) -> DeliveryError:
    """By RFC 5321, 4xx may work later and 5xx never will."""
    words = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
    permanent = code >= 500
    return DeliveryError(
        f"the mail server refused: {code} {_line(words)}",
        permanent=permanent,
        retry_after=None if permanent else TRY_AGAIN,
    )


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {_line(str(error))}"
