"""What staff see in Slack: a thread for each ticket in a channel of theirs, its card, and reactions as marks on what they write.

All but the membership is pure. It must not know what can be done about a ticket.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import MappingProxyType

from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.markup import parse, split
from adapters.slack.elements import channel_of
from adapters.slack.errors import error_code, translate
from adapters.slack.outbound import actions, escape, mrkdwn, section
from bot.errors import DeliveryError
from bot.model import Card, ChatRef, Field, Mark, Part, Person

HEADER_LIMIT = 150
FIELDS_IN_A_SECTION = 10
GLANCE_LIMIT = 500
"""Characters of what is shown where there is no room for a card."""
SHORTER = ((300, 2500), (100, 1000), (30, 300))
"""Characters of one value and of the body: a card must be seen at a glance, and only what is too much for Slack is cut shorter."""
BLOCKS_LIMIT = 12_000
"""Characters of all blocks; beyond about 13,200 Slack refuses them."""
PAGE = 200

MARK = "reactions.add"
REACTIONS: Mapping[Mark, str] = MappingProxyType(
    {
        Mark.NOTED: "memo",
        Mark.SENDING: "hourglass_flowing_sand",
        Mark.SENT: "white_check_mark",
        Mark.FAILED: "x",
    }
)
_REPLACES: Mapping[Mark, tuple[Mark, ...]] = MappingProxyType(
    {Mark.SENT: (Mark.SENDING, Mark.FAILED), Mark.FAILED: (Mark.SENDING, Mark.SENT)}
)
_DONE = frozenset({"already_reacted", "no_reaction"})
_NO_MATTER = frozenset({"message_not_found", "missing_scope", "not_reactable", "thread_locked", "too_many_emoji"})
"""Whoever deleted the message wants to see no mark on it, and no missing right may hold up what is to be read in the thread."""


def draw(chat: ChatRef, card: Card, card_id: str | None) -> tuple[Part, ...]:
    """The card is the root of the thread, so that its ts is the id of both; opened or drawn anew it is one call."""
    glance = " · ".join([card.title, *(field.value for field in card.fields[:3])])
    params: dict[str, object] = {
        "channel": channel_of(chat.chat_id),
        "text": escape(_short(glance, GLANCE_LIMIT)),
        "blocks": _blocks(card),
    }
    if card_id is not None:
        return (Part(chat, {"method": "chat.update", "params": {**params, "ts": card_id}, "root": True}),)
    params |= {"unfurl_links": False, "unfurl_media": False}
    return (Part(chat, {"method": "chat.postMessage", "params": params, "root": True}),)


def mark(chat: ChatRef, message_id: str, mark: Mark) -> tuple[Part, ...]:
    """The mark in place of those that it makes untrue. An edit has an id of its own; the message that it changes is in front."""
    params = {"channel": channel_of(chat.chat_id), "timestamp": message_id.partition("@")[0], "name": REACTIONS[mark]}
    return (Part(chat, {"method": MARK, "params": params, "instead": [REACTIONS[m] for m in _REPLACES.get(mark, ())]}),)


async def react(client: AsyncWebClient, params: Mapping[str, object], instead: Sequence[str]) -> str:
    """Show a mark; doing it twice does no harm. Raises DeliveryError.

    The marks that it replaces are taken away once it is there, as far as Slack's limits allow: better one too many than none.
    """
    await _reacted(client, MARK, params)
    for name in instead:
        try:
            await _reacted(client, "reactions.remove", {**params, "name": name})
        except DeliveryError as error:
            if error.retry_after is None:
                raise
    return str(params["timestamp"])


async def is_member(client: AsyncWebClient, chat: ChatRef, person: Person) -> bool:
    """Whether the person is in the channel. Whoever belongs to another organisation is none of staff, shared channel or not.

    Raises DeliveryError.
    """
    if person.id.rpartition(":")[0] != chat.chat_id.rpartition(":")[0]:
        return False
    user = channel_of(person.id)
    async for member in members(client, chat.chat_id):
        if member == user:
            return True
    return False


async def members(client: AsyncWebClient, chat_id: str) -> AsyncIterator[str]:
    """The ids of those who are in a channel, page by page. Raises DeliveryError."""
    cursor = ""
    while True:
        asked = {"channel": channel_of(chat_id), "limit": str(PAGE)} | ({"cursor": cursor} if cursor else {})
        try:
            answer = await client.api_call("conversations.members", data=asked)
        except Exception as error:
            failure = translate(error)
            raise DeliveryError(f"Slack does not say who is a member: {failure}") from error
        for member in answer.get("members") or ():
            yield str(member)
        cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return


async def _reacted(client: AsyncWebClient, method: str, params: Mapping[str, object]) -> None:
    try:
        await client.api_call(method, json=dict(params))
    except Exception as error:
        if isinstance(error, SlackApiError) and error_code(error) in _DONE | _NO_MATTER:
            return
        failure = translate(error)
        # However it failed, it can be done again: a reaction is there once.
        raise DeliveryError(str(failure), permanent=failure.permanent, retry_after=failure.retry_after) from error


def _blocks(card: Card) -> list[dict[str, object]]:
    title = {"type": "plain_text", "text": _short(card.title, HEADER_LIMIT), "emoji": True}
    blocks: list[dict[str, object]] = []
    for value, body in SHORTER:
        told = [*_fields(card.fields, value), *_body(card.body, body)]
        blocks = [{"type": "header", "text": title}, *told, *actions(card.buttons)]
        if len(json.dumps(blocks, ensure_ascii=False)) <= BLOCKS_LIMIT:
            break
    return blocks


def _fields(fields: Sequence[Field], limit: int) -> Iterator[dict[str, object]]:
    shown = [f"*{escape(_short(field.label, limit))}*\n{escape(_short(field.value, limit))}" for field in fields]
    for start in range(0, len(shown), FIELDS_IN_A_SECTION):
        row = shown[start : start + FIELDS_IN_A_SECTION]
        yield {"type": "section", "fields": [{"type": "mrkdwn", "text": text} for text in row]}


def _body(body: str, limit: int) -> Iterator[dict[str, object]]:
    pieces = list(split(parse(body), limit, lambda runs: len(mrkdwn(runs))))
    if pieces:
        yield section(mrkdwn(pieces[0]) + ("\n…" if len(pieces) > 1 else ""))


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
