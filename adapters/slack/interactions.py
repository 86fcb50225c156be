"""From a pressed button, a form or a slash command to an inbound message. Pure.

It must not know what the keys of buttons mean. The answer to what was done outside a conversation goes to whoever did it: such a
message has the person in the place of the channel, because only Slack knows the channel of the two.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from html import unescape
from types import MappingProxyType

from adapters.slack import views
from adapters.slack.elements import Fields, Me, UnreadableError, chat_of, person_of, plain, time_of
from bot.model import ChatRef, InboundMessage, Person

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "": "help",
        "?": "help",
        "hilfe": "help",
        "help": "help",
        "tickets": "my_tickets",
        "meine tickets": "my_tickets",
        "my tickets": "my_tickets",
        "status": "my_tickets",
        "person": "person",
        "mensch": "person",
        "human": "person",
    }
)
"""What may follow the slash command, and the action that it stands for; anything else is said as it is written."""


def press(payload: Fields, me: Me) -> InboundMessage | None:
    """A button of ours was pressed; None for one that only opens a link. Raises UnreadableError."""
    match payload:
        case {
            "user": {"id": str(user)} as person,
            "container": {} as container,
            "actions": [{"action_ts": str(pressed)} as action, *_],
        }:
            pass
        case _:
            raise UnreadableError("user, container or actions is missing")
    value = action.get("value")
    if not isinstance(value, str):
        return None
    match container:
        case {"channel_id": str(channel), "message_ts": str(ts)}:
            message = payload.get("message")
            thread = container.get("thread_ts") or (message.get("thread_ts") if isinstance(message, Mapping) else None)
            if not isinstance(thread, str):
                thread = None if channel.startswith("D") else ts
            chat, where = chat_of(me, channel, thread), ts
        case {"type": "view", "view_id": str(where)}:
            chat, ts = chat_of(me, user), ""
        case _:
            raise UnreadableError("the container is neither a message nor a view")
    label = action.get("text")
    return InboundMessage(
        chat=chat,
        message_id=f"press:{where}:{pressed}:{user}",
        delivery_id=str(payload.get("trigger_id", "")),
        sender=Person(person_of(user, {"team": person.get("team_id")}, me).id, str(person.get("name", user))),
        text=unescape(str(label.get("text", ""))) if isinstance(label, Mapping) else "",
        sent_at=time_of(pressed),
        action=value,
        reply_to=ts or None,
    )


def command(payload: Fields, me: Me, now: datetime) -> InboundMessage:
    """Somebody has typed a slash command, wherever that was. Slack does not say when. Raises UnreadableError."""
    match payload:
        case {"user_id": str(user), "trigger_id": str(trigger), **rest}:
            said = plain(str(rest.get("text", "")), me)
        case _:
            raise UnreadableError("user_id or trigger_id is missing")
    channel = rest.get("channel_id")
    of_staff = isinstance(channel, str) and channel in me.staff
    return InboundMessage(
        chat=chat_of(me, str(channel) if of_staff else user),
        message_id=f"command:{trigger}",
        delivery_id=trigger,
        sender=Person(person_of(user, {"team": rest.get("team_id")}, me).id, str(rest.get("user_name") or user)),
        text=f"/{said or 'help'}" if of_staff else said,  # what staff type with ! in a thread
        sent_at=now,
        action=None if of_staff else COMMANDS.get(" ".join(said.casefold().split())),
    )


def submitted(payload: Fields, me: Me, now: datetime) -> tuple[InboundMessage, ...]:
    """What has been filled into a form of ours, a message for each thing; none for another's. Raises UnreadableError.

    Whoever sends the same form twice has sent it once. Slack does not say when.
    """
    match payload:
        case {"user": {"id": str(user)} as person, "view": {"callback_id": views.FORM, "id": str(view_id)} as view}:
            pass
        case {"view": {"callback_id": str(other)}} if other != views.FORM:
            return ()
        case _:
            raise UnreadableError("user or view is missing")
    try:
        about, values = json.loads(view["private_metadata"]), view["state"]["values"]
        chat = ChatRef("slack", str(about["chat"]), None if about["thread"] is None else str(about["thread"]))
        fields = [(str(action), str(before), bool(always)) for action, before, always in about["fields"]]
        filled = [_filled(values.get(str(number), {}).get(views.VALUE)) for number in range(len(fields))]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableError("the view is not as it was made") from error
    sender = person_of(user, {"team": person.get("team_id")}, me)
    return tuple(
        InboundMessage(
            chat=chat,
            message_id=f"form:{view_id}:{number}",
            delivery_id=str(payload.get("trigger_id", "")),
            sender=sender,
            text=text,
            sent_at=now,
            action=f"{action}:{value}" if value else action,
        )
        for number, ((action, before, always), (value, text)) in enumerate(zip(fields, filled, strict=True))
        if always or (value or text) not in ("", before)
    )


def _filled(state: object) -> tuple[str, str]:
    """The value that was chosen, and the text that was written or stands for it."""
    match state:
        case {"selected_option": {"value": str(value), "text": {"text": str(label)}}}:
            return value, unescape(label)
        case {"value": str(text)}:
            return "", text.strip()
        case _:
            return "", ""
