"""Files up and down: Slack's three steps to share one, and its two to fetch one.

It must not know why a file is sent or fetched.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.errors import translate
from bot.errors import DeliveryError
from bot.model import Attachment

PIECE = 1 << 16
_GONE = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_SLACKS = re.compile(r"(?:[a-z0-9-]{1,63}\.){1,8}slack(?:-gov)?\.com(?::443)?", re.IGNORECASE)
"""Names only, and nothing in front of them or behind: readers of addresses do not agree on anything more."""


async def upload(client: AsyncWebClient, name: str, content: bytes, params: Mapping[str, Any]) -> str:
    """Share a file and return its id: Slack does not tell the id of the message, which it posts a little later.

    Raises DeliveryError, uncertain only when the last step may have been taken: before it, nobody sees anything.
    """
    try:
        ticket = await client.files_getUploadURLExternal(filename=name, length=len(content))
        address, file_id = str(ticket["upload_url"]), str(ticket["file_id"])
        if not slacks_own(address, client):
            raise DeliveryError("Slack names a place for the file that is not its own.")
        async with (
            _session(client) as session,
            session.post(address, data=content, allow_redirects=False, **_way(client)) as answer,
        ):
            if answer.status != HTTPStatus.OK:
                raise DeliveryError(f"Slack did not take the file: status {answer.status}")
    except DeliveryError:
        raise
    except Exception as error:
        failure = translate(error)
        raise DeliveryError(str(failure), permanent=failure.permanent, retry_after=failure.retry_after) from error
    try:
        await client.files_completeUploadExternal(files=[{"id": file_id, "title": name}], **params)
    except Exception as error:
        raise translate(error) from error
    return file_id


async def download(client: AsyncWebClient, attachment: Attachment) -> AsyncGenerator[bytes, None]:
    """The bytes of a file that somebody has shared. Raises DeliveryError."""
    try:
        file: Mapping[str, Any] = (await client.files_info(file=attachment.ref))["file"]
        address = str(file.get("url_private_download") or file.get("url_private") or "")
        if not slacks_own(address, client):
            # The token would go there, too.
            raise DeliveryError("The file does not lie with Slack.", permanent=True)
        headers = {"Authorization": f"Bearer {client.token}", "Accept-Encoding": "identity"}
        async with (
            _session(client) as session,
            session.get(address, headers=headers, allow_redirects=False, **_way(client)) as answer,
        ):
            page = answer.content_type == "text/html" and file.get("mimetype") != "text/html"
            if page or answer.status in range(300, 400):
                raise DeliveryError("Slack asks to sign in: the app needs the scope files:read.")
            if answer.status != HTTPStatus.OK:
                message = f"Slack did not give the file: status {answer.status}"
                raise DeliveryError(message, permanent=answer.status in _GONE)
            async for piece in answer.content.iter_chunked(PIECE):
                yield piece
    except DeliveryError:
        raise
    except aiohttp.ClientError as error:
        raise DeliveryError(f"The file did not come through: {type(error).__name__}") from error
    except Exception as error:
        raise translate(error) from error


def _session(client: AsyncWebClient) -> aiohttp.ClientSession:
    timeout = aiohttp.ClientTimeout(sock_connect=client.timeout, sock_read=client.timeout)
    return aiohttp.ClientSession(timeout=timeout, auto_decompress=False)


def _way(client: AsyncWebClient) -> dict[str, Any]:
    """As the SDK itself connects."""
    return {"proxy": client.proxy, **({"ssl": client.ssl} if client.ssl is not None else {})}


def slacks_own(address: str, client: AsyncWebClient) -> bool:
    """Whether an address that Slack has named lies with Slack, as a page or a socket: nothing goes, or is believed, elsewhere."""
    try:
        there, api = urlsplit(address), urlsplit(client.base_url)
    except ValueError:
        return False
    if (there.scheme.replace("ws", "http"), there.netloc) == (api.scheme, api.netloc):
        return True
    return there.scheme in ("https", "wss") and _SLACKS.fullmatch(there.netloc) is not None
