"""A mail server on this machine: a real SMTP implementation that keeps what it gets and misbehaves on request."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

AUTHORITY = trustme.CA()


def trusting() -> ssl.SSLContext:
    """A client that trusts the loopback server, and checks its name as for any other."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@dataclass(frozen=True)
class Mail:
    sender: str
    to: list[str]
    encrypted: bool
    user: str | None
    content: EmailMessage


class LoopbackSmtp:
    """``answers`` replaces the answer to MAIL, RCPT or DATA, by its name, ``refusal`` that to a wrong password; ``hang`` names one
    that is never answered, ``drop`` one at which the connection is cut. What was kept is in ``mails``.
    """

    def __init__(
        self, *, security: str = "starttls", users: dict[str, str] | None = None, host: str = "localhost"
    ) -> None:
        self.security = security
        self.users = users or {}
        self.answers: dict[str, str] = {}
        self.refusal: str | None = None
        self.hang: str | None = None
        self.drop: str | None = None
        self.tried = 0
        self.mails: list[Mail] = []
        self.port = 0
        certificate = AUTHORITY.issue_cert(host)
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(self._context)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[LoopbackSmtp]:
        loop = asyncio.get_running_loop()
        tls = self._context if self.security == "tls" else None
        server = await loop.create_server(self._protocol, "127.0.0.1", 0, ssl=tls)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    def _protocol(self) -> SMTP:
        starttls = self.security == "starttls"
        return SMTP(
            self,
            hostname="localhost",
            tls_context=self._context if starttls else None,
            require_starttls=starttls,
            authenticator=self._authenticated if self.users else None,
            auth_required=starttls and bool(self.users),
            auth_require_tls=starttls,
            loop=asyncio.get_running_loop(),
        )

    def _authenticated(self, _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        user, password = data.login.decode(), data.password.decode()
        right = self.users.get(user) == password
        return AuthResult(success=right, handled=False, message=None if right else self.refusal, auth_data=user)

    async def handle_MAIL(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.tried += 1
        envelope.mail_from = address
        return await self._step(server, "MAIL")

    async def handle_RCPT(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return await self._step(server, "RCPT")

    async def handle_DATA(  # noqa: N802  (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        answer = await self._step(server, "DATA")
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            content = message_from_bytes(envelope.content, policy=default)
            assert isinstance(content, EmailMessage)
            encrypted = session.ssl is not None or self.security == "tls"
            self.mails.append(Mail(str(envelope.mail_from), envelope.rcpt_tos, encrypted, session.auth_data, content))
        return answer

    async def _step(self, server: SMTP, name: str) -> str:
        if self.hang == name:
            await asyncio.sleep(60)
        if self.drop == name:
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        return self.answers.get(name, "250 OK")
