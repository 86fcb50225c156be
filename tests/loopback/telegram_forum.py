"""What Telegram keeps of groups with topics: the topics, who is a member, what the bot may do, and the reactions on messages.

It must not know about servers, nor the adapter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from telegram.constants import ForumIconColor, ForumTopicLimit, ReactionEmoji

from tests.loopback.telegram_markup import Refusal

BOT = 42
FORUM = -1001
RIGHTS = {"can_manage_topics": True, "can_pin_messages": True, "can_delete_messages": False}
ADMINISTRATOR: Mapping[str, Any] = {"status": "administrator", "is_anonymous": False, **RIGHTS}
ALLOWED = frozenset(re.sub("\ufe0f", "", emoji.value) for emoji in ReactionEmoji)
"""The emoji of ReactionTypeEmoji; with or without the selector of their coloured form is the same."""


@dataclass
class Topic:
    name: str
    icon_color: int = ForumIconColor.BLUE.value
    closed: bool = False


@dataclass
class Groups:
    """``forums`` are the groups that have topics; ``topics`` are theirs, by chat and number of the topic."""

    forums: set[int] = field(default_factory=lambda: {FORUM, -100})
    topics: dict[tuple[int, int], Topic] = field(default_factory=lambda: {(-100, 7): Topic("HD-000001")})
    bot: dict[int, dict[str, Any]] = field(default_factory=lambda: {FORUM: dict(ADMINISTRATOR)})
    """What the bot is in a chat, where it is not a plain member."""
    people: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    """What somebody else is in a chat; whoever is not named has never been there."""
    reactions: dict[tuple[int, int], str] = field(default_factory=dict)
    """The bot's, by chat and message."""
    reacted: list[tuple[int, str]] = field(default_factory=list)
    """All of them, in the order in which they were set."""
    allowed: dict[int, frozenset[str]] = field(default_factory=dict)
    """The reactions that a chat allows, where it does not allow all."""
    pinned: list[tuple[int, int]] = field(default_factory=list)

    # --- what people do

    def join(self, chat: int, person: int, status: str = "member", **more: Any) -> None:
        self.people[chat, person] = {"status": status, **more}

    def delete_topic(self, chat: int, topic: int, sent: dict[tuple[int, int], dict[str, Any]]) -> None:
        """As somebody does who tidies up: all its messages go with it."""
        del self.topics[chat, topic]
        for key in [key for key, m in sent.items() if key[0] == chat and m["params"].get("message_thread_id") == topic]:
            del sent[key]

    # --- what the bot asks for

    def create(self, chat: int, params: Mapping[str, Any], number: int) -> dict[str, Any]:
        if chat not in self.forums:
            raise Refusal(400, "Bad Request: the chat is not a forum")
        self._need(chat, "can_manage_topics", "not enough rights to create a topic")
        name, colour = params["name"], params.get("icon_color", ForumIconColor.BLUE.value)
        if not name.strip():
            raise Refusal(400, "Bad Request: topic name must be non-empty")
        if len(name.encode("utf-16-le")) // 2 > ForumTopicLimit.MAX_NAME_LENGTH:
            raise Refusal(400, "Bad Request: topic name is too long")
        if colour not in {each.value for each in ForumIconColor}:
            raise Refusal(400, "Bad Request: invalid icon color specified")
        self.topics[chat, number] = Topic(name, colour)
        return {"message_thread_id": number, "name": name, "icon_color": colour}

    def close(self, chat: int, topic: int, *, closed: bool) -> bool:
        found = self.topics.get((chat, topic))
        if found is None:
            raise Refusal(400, "Bad Request: TOPIC_ID_INVALID")
        if found.closed is closed:
            raise Refusal(400, "Bad Request: TOPIC_NOT_MODIFIED")
        found.closed = closed
        return True

    def check_place(self, chat: int, topic: int | None) -> None:
        """Whether the bot may write there. In a closed topic only administrators may who manage topics."""
        if topic is None:
            return
        found = self.topics.get((chat, topic))
        if found is None:
            raise Refusal(400, "Bad Request: message thread not found")
        if found.closed and not self.bot.get(chat, {}).get("can_manage_topics"):
            raise Refusal(400, "Bad Request: TOPIC_CLOSED")

    def react(self, chat: int, params: Mapping[str, Any], known: Iterable[tuple[int, int]]) -> bool:
        key = (chat, params["message_id"])
        if key not in known:
            raise Refusal(400, "Bad Request: message to react not found")
        wanted = params.get("reaction", [])
        if len(wanted) > 1:
            raise Refusal(400, "Bad Request: REACTIONS_TOO_MANY")
        for reaction in wanted:
            if set(reaction) != {"type", "emoji"} or reaction["type"] != "emoji":
                raise Refusal(400, "Bad Request: can't parse reaction type")
            if reaction["emoji"] not in ALLOWED & self.allowed.get(chat, ALLOWED):
                raise Refusal(400, "Bad Request: REACTION_INVALID")
        self.reactions.pop(key, None)
        if wanted:
            self.reactions[key] = wanted[0]["emoji"]
            self.reacted.append((key[1], wanted[0]["emoji"]))
        return True

    def pin(self, chat: int, message: int, sent: Mapping[tuple[int, int], Any]) -> bool:
        if (chat, message) not in sent:
            raise Refusal(400, "Bad Request: message to pin not found")
        self._need(chat, "can_pin_messages", "not enough rights to manage pinned messages in the chat")
        self.pinned.append((chat, message))
        return True

    def member(self, chat: int, person: int) -> dict[str, Any]:
        if person == BOT:
            me = {"id": BOT, "is_bot": True, "first_name": "Firstline"}
            return {"user": me, "status": "member", **self.bot.get(chat, {})}
        if person <= 0:
            raise Refusal(400, "Bad Request: invalid user_id specified")
        found = self.people.get((chat, person))
        if found is None:
            raise Refusal(400, "Bad Request: PARTICIPANT_ID_INVALID")
        return {"user": {"id": person, "is_bot": False, "first_name": "?"}, **found}

    def administrators(self, chat: int) -> list[dict[str, Any]]:
        here = [person for where, person in self.people if where == chat]
        found = [self.member(chat, person) for person in (BOT, *here)]
        return [member for member in found if member["status"] in {"administrator", "creator"}]

    def chat(self, chat: int) -> dict[str, Any]:
        about: dict[str, Any] = {"id": chat, "type": "supergroup" if chat < 0 else "private", "title": "Gruppe"}
        if chat in self.forums:
            about["is_forum"] = True
        if chat in self.allowed:
            about["available_reactions"] = [{"type": "emoji", "emoji": emoji} for emoji in self.allowed[chat]]
        return about

    def hears(self, chat: int, message: Mapping[str, Any], *, everything: bool) -> bool:
        """Whether Telegram brings the bot what is written in a group with topics of staff: privacy mode keeps back most of it."""
        if chat != FORUM or everything or self.bot.get(chat, {}).get("status") == "administrator":
            return True
        text = str(message.get("text", ""))
        answers = message.get("reply_to_message", {}).get("from", {}).get("id") == BOT
        return text.startswith("/") or "@firstline_bot" in text.lower() or answers

    def _need(self, chat: int, right: str, refusal: str) -> None:
        if self.bot.get(chat, {}).get("status") != "administrator" or not self.bot[chat].get(right):
            raise Refusal(400, f"Bad Request: {refusal}")
