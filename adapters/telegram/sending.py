"""One part out: what is sent where, what counts as done although Telegram refuses it, and what is said otherwise then.

It must not know what a part says, nor when it is sent again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from telegram.error import BadRequest

from adapters.telegram.client import Client
from adapters.telegram.errors import GONE, translate, unsettled
from adapters.telegram.outbound import where
from bot.errors import DeliveryError
from bot.model import ChatRef, Part
from bot.ports import Files

Params = dict[str, Any]

_FIELDS = {"sendPhoto": "photo", "sendDocument": "document"}
_IN_A_THREAD = {"sendMessage", "sendPhoto", "sendDocument", "closeForumTopic", "reopenForumTopic"}
_NEW = {"sendMessage", "sendPhoto", "sendDocument"}
_REFUSED_PHOTO = re.compile("photo|image", re.IGNORECASE)
_NO_REACTION = re.compile("reaction", re.IGNORECASE)
_NOTHING_TO_DO: Mapping[str, re.Pattern[str]] = {
    "editMessageText": re.compile("message is not modified", re.IGNORECASE),
    # A topic that somebody has taken away is as closed as can be, and so is a message that its writer has taken away.
    "closeForumTopic": re.compile(f"topic_not_modified|{GONE.pattern}", re.IGNORECASE),
    "reopenForumTopic": re.compile("topic_not_modified", re.IGNORECASE),
    "setMessageReaction": re.compile("message to react not found|message_id_invalid|reaction_empty", re.IGNORECASE),
}


class Sending:
    """``staff`` are the ids of the chats in which staff sit. ``pin`` is told of each new card there."""

    def __init__(
        self, client: Client, files: Files, staff: Collection[str], pin: Callable[[ChatRef, int], None]
    ) -> None:
        self._client, self._files, self._staff, self._pin = client, files, staff, pin

    async def __call__(self, part: Part) -> str:
        """Telegram's id of what was sent, or changed. Raises DeliveryError, FilesError."""
        match part.payload:
            case {"method": str(method), "params": {} as params, **more}:
                pass
            case _:
                raise DeliveryError("This part was not made by the Telegram adapter.", permanent=True)
        # The part may have been made before its group got another number, or before its topic was there.
        place = where(part.chat) if method in _IN_A_THREAD else {"chat_id": where(part.chat)["chat_id"]}
        upload = await self._upload(more.get("file"))
        try:
            result = await self._done(method, {**params, **place}, upload, part, more)
        except Exception as error:
            raise (unsettled if part.chat.chat_id in self._staff else translate)(error) from error
        return result

    async def _upload(self, file: object) -> tuple[str, bytes] | None:
        match file:
            case {"key": str(key), "name": str(name)}:
                return name, b"".join([piece async for piece in self._files.open(key)])
            case _:
                return None

    async def _done(
        self, method: str, params: Params, upload: tuple[str, bytes] | None, part: Part, more: Mapping[str, Any]
    ) -> str:
        try:
            result = await self._call(method, params, upload)
        except BadRequest as error:
            said = str(error)
            unshown = method == "setMessageReaction" and not more.get("or_say") and _NO_REACTION.search(said)
            if unshown or (method in _NOTHING_TO_DO and _NOTHING_TO_DO[method].search(said)):
                return _id(method, params, True)
            otherwise = self._otherwise(method, params, said, part, more)
            if otherwise is None:
                raise
            method, params = otherwise
            result = await self._call(method, params, upload)
        found = _id(method, params, result)
        if more.get("pin") and method in _NEW:
            self._pin(part.chat, int(found))
        return found

    def _otherwise(
        self, method: str, params: Params, said: str, part: Part, more: Mapping[str, Any]
    ) -> tuple[str, Params] | None:
        """What to call instead of what was certainly not done."""
        if method == "sendPhoto" and _REFUSED_PHOTO.search(said):
            return "sendDocument", params  # too long and narrow, or broken
        if part.chat.chat_id not in self._staff:
            return None
        if method == "editMessageText" and GONE.search(said):
            # Staff see it all the same, and a topic that is gone as a whole shows only now.
            return "sendMessage", {key: value for key, value in params.items() if key != "message_id"} | where(
                part.chat
            )
        if method == "setMessageReaction" and more.get("or_say") and _NO_REACTION.search(said):
            quoted = {"message_id": params["message_id"], "allow_sending_without_reply": True}
            emoji = params["reaction"][0]["emoji"]
            return "sendMessage", {"text": emoji, "reply_parameters": quoted, **where(part.chat)}
        return None

    async def _call(self, method: str, params: Params, upload: tuple[str, bytes] | None) -> Any:
        if upload is None:
            return await self._client.call(method, params)
        return await self._client.upload(method, params, _FIELDS[method], *upload)


def _id(method: str, params: Params, result: object) -> str:
    match result:
        case {"message_thread_id": int(number)} if method == "createForumTopic":
            return str(number)
        case {"message_id": int(number)}:
            return str(number)
        case True:
            return str(params.get("message_id", params.get("message_thread_id")))
        case _:
            # Sent, but nobody knows as what.
            raise DeliveryError("Telegram did not say which message it sent.", uncertain=True)
