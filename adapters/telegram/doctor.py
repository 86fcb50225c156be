"""Looks at a Telegram bot from outside and names what is missing, in words and with the remedy.

It changes nothing and sends nothing. It must not know where the settings come from, nor how findings are shown.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx

from adapters.telegram import staff_doctor
from adapters.telegram.inbound import KINDS
from bot.model import Finding

logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, and the token is part of them

TIMEOUT = 10.0
SKEW = 60.0  # seconds that the clocks may differ
MANY = 100  # updates that wait
PORTS = (443, 80, 88, 8443)
_TOKEN = re.compile(r"\d{3,}:[A-Za-z0-9_-]{30,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """``webhook``: Telegram is to call, at ``called_at``. ``groups`` are those that the bot should be in, by their numbers.

    ``staff`` is the group with a topic for each ticket, ``people`` the names of those on the list of staff, by their numbers.
    ``name`` is the bot's @name that links are made with. ``transport`` is the way to ``called_at``, where it is a special one.
    """

    token: str | None
    webhook: bool = False
    called_at: str | None = None
    groups: Sequence[str] = ()
    staff: str | None = None
    people: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    base_url: str = "https://api.telegram.org/bot"
    clock: Callable[[], float] = time.time
    transport: httpx.AsyncBaseTransport | None = None


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Mapping[str, Any]
    date: str

    @property
    def result(self) -> Mapping[str, Any]:
        result = self.body.get("result")
        return result if isinstance(result, Mapping) else {}

    @property
    def said(self) -> str:
        return str(self.body.get("description") or f"status {self.status}")


async def diagnose(setup: Setup) -> AsyncIterator[Finding]:
    """The findings, each as soon as it is made."""
    token = setup.token or ""
    if not token:
        yield _error("FIRSTLINE_TELEGRAM_TOKEN is not set.", "Write /newbot to @BotFather; its answer holds the token.")
        return
    if not _TOKEN.fullmatch(token):
        message = (
            "FIRSTLINE_TELEGRAM_TOKEN does not look like a token, as in 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw."
        )
        yield _error(message, "Copy all of it from @BotFather, without quotes, spaces or the word bot before it.")
        return
    async with httpx.AsyncClient(timeout=TIMEOUT) as http:
        try:
            me = await _ask(http, setup, "getMe")
        except httpx.HTTPError as error:
            remedy = "Is there a way out to the Internet (a proxy is named in HTTPS_PROXY)? Is FIRSTLINE_TELEGRAM_API_URL right?"
            yield _error(f"Telegram cannot be reached ({type(error).__name__}).", remedy)
            return
        if me.status in {401, 404}:
            remedy = "Write /mybots to @BotFather, choose the bot, API Token; a revoked token never works again."
            yield _error(f"Telegram does not accept the token ({me.said}).", remedy)
            return
        if me.status != 200:
            yield _error(f"Telegram does not answer as it should ({me.said}).", "Try again in a few minutes.")
            return
        for finding in _bot(setup, me):
            yield finding
        try:
            info = await _ask(http, setup, "getWebhookInfo")
            for finding in _called(setup, info.result) if setup.webhook else _fetching(info.result):
                yield finding
            if setup.staff is not None:
                ask = partial(_ask, http, setup)
                async for finding in staff_doctor.diagnose(ask, setup.staff, setup.people, me.result.get("id")):
                    yield finding
            for group in setup.groups:
                yield await _group(http, setup, group, me.result.get("id"))
        except httpx.HTTPError as error:
            yield _error(f"Telegram could not be asked all ({type(error).__name__}).", "Try again in a few minutes.")
    if setup.webhook and setup.called_at and not _unreachable(setup.called_at):
        yield await _probe(setup.called_at, setup.transport)


def _bot(setup: Setup, me: _Answer) -> Iterator[Finding]:
    name = str(me.result.get("username"))
    yield Finding("ok", f"The token works: @{name}.")
    if setup.name and setup.name.removeprefix("@").lower() != name.lower():
        message = (
            f"FIRSTLINE_TELEGRAM_BOT_NAME is {setup.name}, but the bot is @{name}: links of invitations lead elsewhere."
        )
        yield _error(message, f"Set it to {name}.")
    skew = _skew(me.date, setup.clock())
    if skew > SKEW:
        message = (
            f"The clock of this machine differs from Telegram's by {skew:.0f} seconds: promised times would be wrong."
        )
        yield Finding("warning", message, "Let it be set by NTP (timedatectl set-ntp true).")
    if not me.result.get("can_join_groups"):
        yield Finding("note", "The bot cannot be put into groups.", "If it should: @BotFather, /setjoingroups, Enable.")
    elif not me.result.get("can_read_all_group_messages"):
        message = (
            "Privacy mode is on: in groups the bot hears commands to it and replies to it, but may miss a mention."
        )
        remedy = "To have it hear all: @BotFather, /setprivacy, Disable; then put the bot into each group anew."
        yield Finding("note", message, remedy)


def _fetching(info: Mapping[str, Any]) -> Iterator[Finding]:
    url, waiting = str(info.get("url") or ""), info.get("pending_update_count", 0)
    if url:
        message = f"Telegram calls {urlsplit(url).hostname} instead of being asked, so nothing can be fetched."
        remedy = (
            "The next start of `firstline run` ends that. If another program is called there, give Firstline a bot of its "
            "own; if Firstline is, set FIRSTLINE_TELEGRAM_MODE=webhook."
        )
        yield _error(message, remedy)
        return
    yield Finding("ok", "Updates are fetched.")
    if isinstance(waiting, int) and waiting > MANY:
        remedy = "Is `firstline run` at work? Telegram forgets after 24 hours what nobody fetches."
        yield Finding("warning", f"{waiting} updates wait to be fetched.", remedy)


def _called(setup: Setup, info: Mapping[str, Any]) -> Iterator[Finding]:
    address = setup.called_at
    if address is None:
        remedy = "Set it to the address of the web server as Telegram sees it, such as https://bot.example.com."
        yield _error("FIRSTLINE_PUBLIC_URL is not set, so Telegram cannot be told where to call.", remedy)
        return
    if wrong := _unreachable(address):
        yield _error(f"Telegram cannot call {address}: {wrong[0]}.", wrong[1])
        return
    url = str(info.get("url") or "")
    if url != address:
        said = f"calls {urlsplit(url).hostname}" if url else "calls nobody"
        remedy = "Start `firstline run` and look at its log; if that lasts, another program uses the token."
        yield _error(f"Telegram {said}, not {address}.", remedy)
        return
    yield Finding("ok", f"Telegram calls {address}.")
    if missing := set(KINDS) - set(info.get("allowed_updates") or KINDS):
        yield Finding("warning", f"Telegram does not bring {', '.join(sorted(missing))}.", "Restart `firstline run`.")
    if failure := info.get("last_error_message"):
        waiting = info.get("pending_update_count", 0)
        yield Finding(
            "error" if waiting else "warning",
            f"The last call that failed: {failure}; {waiting} updates wait.",
            _remedy_of(str(failure)),
        )


def _remedy_of(said: str) -> str:
    known = {
        "403": "Something before the bot refuses Telegram, or takes X-Telegram-Bot-Api-Secret-Token out of the request.",
        "404": "The proxy does not pass on /telegram to FIRSTLINE_WEB_HOST and FIRSTLINE_WEB_PORT.",
        "500": "The bot could not store it: look at its log, and whether the database is there.",
        "502": "The proxy does not reach the bot: is `firstline run` at work, and on the port that the proxy calls?",
        "503": "The bot was just starting or stopping; that passes.",
        "certificate": "The certificate must be complete with its chain, and be for this host.",
        "resolve": "The host's name must be known in the public DNS.",
        "refused": "Nobody listens there: open the port in the firewall, and start the proxy.",
        "timed out": "A firewall swallows it: Telegram calls from 149.154.160.0/20 and 91.108.4.0/22.",
    }
    return next((remedy for key, remedy in known.items() if key in said.lower()), "Look at the log of the proxy.")


def _unreachable(address: str) -> tuple[str, str] | None:
    """Why Telegram would never call there, and what to do."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    try:
        port, private = parts.port, not ipaddress.ip_address(host).is_global
    except ValueError:
        port, private = parts.port if ":" not in host else None, host == "localhost" or "." not in host
    if parts.scheme != "https":
        return "it wants https", "Put a proxy with a certificate before the bot (Caddy gets one by itself)."
    if port not in {None, *PORTS}:
        return f"it does not call port {port}", f"Only {', '.join(map(str, PORTS))} can be used."
    if private:
        return (
            f"{host} is not in the public Internet",
            "Use a public name, or FIRSTLINE_TELEGRAM_MODE=polling, which needs none.",
        )
    return None


async def _probe(address: str, transport: httpx.AsyncBaseTransport | None) -> Finding:
    """A call without the secret: the bot, and nobody else, refuses just that."""
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT, transport=transport) as http:
            status = (await http.post(address, json={})).status_code
    except httpx.HTTPError as error:
        remedy = "Start `firstline run`, and look at what stands before it: name, port, certificate."
        return _error(f"Nobody answers at {address} ({type(error).__name__}).", remedy)
    if status == 403:
        return Finding("ok", f"The bot answers at {address}, and refuses whoever does not show the secret.")
    message = f"At {address} something else than the bot answers: status {status}."
    return _error(message, "Let it pass on /telegram to FIRSTLINE_WEB_HOST and FIRSTLINE_WEB_PORT.")


async def _group(http: httpx.AsyncClient, setup: Setup, group: str, me: object) -> Finding:
    chat = await _ask(http, setup, "getChat", chat_id=group)
    match chat.body.get("parameters"):
        case {"migrate_to_chat_id": new}:
            return Finding("warning", f"The group {group} is now {new}.", f"Use {new}.")
    if chat.status != 200:
        remedy = "Put the bot into the group; its number stands in the bot's log, with a minus before it."
        return _error(f"The bot does not know the group {group} ({chat.said}).", remedy)
    title = chat.result.get("title") or group
    member = await _ask(http, setup, "getChatMember", chat_id=group, user_id=str(me))
    match member.result:
        case {"status": "administrator" | "creator"}:
            return Finding("ok", f"The bot is in {title}, as an administrator, so it hears everything there.")
        case {"status": "restricted", "can_send_messages": False}:
            return _error(
                f"The bot may not write in {title}.", "Give it the right to send messages in the group's settings."
            )
        case {"status": "member" | "restricted"}:
            return Finding("ok", f"The bot is in {title}.")
        case _:
            return _error(f"The bot is not in {title} any more.", "Put it in again.")


async def _ask(http: httpx.AsyncClient, setup: Setup, method: str, **params: str) -> _Answer:
    """Raises httpx.HTTPError."""
    answer = await http.post(f"{setup.base_url}{setup.token}/{method}", data=params)
    try:
        body = answer.json()
    except ValueError:
        body = None
    return _Answer(answer.status_code, body if isinstance(body, dict) else {}, answer.headers.get("Date", ""))


def _skew(date: str, now: float) -> float:
    try:
        return abs(parsedate_to_datetime(date).timestamp() - now)
    except (TypeError, ValueError):
        return 0.0


def _error(message: str, remedy: str) -> Finding:
    return Finding("error", message, remedy)
