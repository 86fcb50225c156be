"""Looks at the group in which staff sit: whether a topic can be opened there for each ticket, and whether everybody can be heard.

It must not know how Telegram is asked, nor where the settings come from.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Protocol

from adapters.telegram.topics import REACTIONS
from bot.model import Finding

_SETTING = "FIRSTLINE_STAFF_CHAT"
_IN = {"creator", "administrator", "member"}


class Answer(Protocol):
    @property
    def status(self) -> int: ...
    @property
    def body(self) -> Mapping[str, Any]: ...
    @property
    def said(self) -> str: ...


class Ask(Protocol):
    async def __call__(self, method: str, **params: str) -> Answer:
        """Raises httpx.HTTPError."""
        ...


async def diagnose(ask: Ask, group: str, people: Mapping[str, str], me: object) -> AsyncIterator[Finding]:
    """``people`` are the names of those on the list of staff, by their numbers; empty: whoever is in the group is of staff."""
    chat = await ask("getChat", chat_id=group)
    match chat.body:
        case {"parameters": {"migrate_to_chat_id": new}}:
            yield _error(f"The group of staff {group} is now {new}.", f"Set {_SETTING}=telegram:{new}.")
            return
        case {"ok": True, "result": {"type": str(kind)} as about}:
            title = about.get("title") or group
        case _:
            remedy = f"Make the bot an administrator of that group; its number, which begins with -100, belongs into {_SETTING}."
            yield _error(f"The bot does not know the group {group}, in which staff are to work ({chat.said}).", remedy)
            return
    if kind != "supergroup" or not about.get("is_forum"):
        remedy = (
            "In the group's settings switch Topics on. That may give the group another number: look here again then."
        )
        yield _error(f"{title} has no topics, so there is no place for tickets.", remedy)
        return
    member = await ask("getChatMember", chat_id=group, user_id=str(me))
    rights = member.body.get("result")
    findings = list(_rights(title, rights if isinstance(rights, Mapping) else {}))
    for finding in (*findings, *_reactions(title, about)):
        yield finding
    if any(finding.level == "error" for finding in findings):
        return
    async for finding in _listed(ask, group, title, people):
        yield finding
    async for finding in _hidden(ask, group, title):
        yield finding


def _rights(title: str, member: Mapping[str, Any]) -> Iterator[Finding]:
    where = f"{title}, Administrators, the bot"
    if member.get("status") != "administrator":
        message = f"The bot is no administrator of {title}: it can open no topics, and does not hear what staff write."
        yield _error(message, "Make it one, with the rights to manage topics and to pin messages.")
        return
    if not member.get("can_manage_topics"):
        yield _error(f"The bot may not manage topics in {title}.", f"Give it that right: {where}, Manage Topics.")
        return
    yield Finding("ok", f"In {title} the bot can open a topic for each ticket, and hears what staff write.")
    if not member.get("can_pin_messages"):
        message = f"The bot may not pin messages in {title}: a ticket's card is not kept in sight."
        yield Finding("note", message, f"Give it that right: {where}, Pin Messages.")


def _reactions(title: str, about: Mapping[str, Any]) -> Iterator[Finding]:
    allowed = about.get("available_reactions")
    if not isinstance(allowed, list):
        return  # all of them
    emoji = {each.get("emoji") for each in allowed if isinstance(each, Mapping)}
    if missing := [mark for mark in REACTIONS.values() if mark not in emoji]:
        message = f"In {title} reactions with {' '.join(missing)} are not allowed: ticks come as messages instead."
        yield Finding("warning", message, "In the group's settings allow these reactions, or all of them.")


async def _listed(ask: Ask, group: str, title: str, people: Mapping[str, str]) -> AsyncIterator[Finding]:
    if not people:
        message = f"Whoever is a member of {title} acts for staff."
        yield Finding("note", message, "To say who may, list them in FIRSTLINE_STAFF_FILE (docs/desk.md).")
        return
    here = 0
    for number, name in people.items():
        answer = await ask("getChatMember", chat_id=group, user_id=number)
        match answer.body.get("result"):
            case {"status": str(status), **more} if status in _IN or (status == "restricted" and more.get("is_member")):
                here += 1
            case _:
                message = f"{name} ({number}) is on the list of staff, but not in {title}."
                yield Finding("warning", message, "Invite them, or correct the number in FIRSTLINE_STAFF_FILE.")
    yield Finding("ok", f"{here} of {len(people)} on the list of staff are in {title}.")


async def _hidden(ask: Ask, group: str, title: str) -> AsyncIterator[Finding]:
    answer = await ask("getChatAdministrators", chat_id=group)
    match answer.body.get("result"):
        case [*administrators]:
            hidden = [a for a in administrators if isinstance(a, Mapping) and a.get("is_anonymous")]
        case _:
            hidden = []
    for administrator in hidden:
        user = administrator.get("user")
        name = user.get("first_name") if isinstance(user, Mapping) else None
        message = f"{name or 'An administrator'} writes anonymously in {title}: what they write there has no effect."
        yield Finding("warning", message, f"{title}, Administrators, their name: switch Remain Anonymous off.")


def _error(message: str, remedy: str) -> Finding:
    return Finding("error", message, remedy)
