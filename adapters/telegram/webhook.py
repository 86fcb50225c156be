"""The way in where Telegram calls: one address, guarded by a secret.

Only what has been received is answered with 200; everything else Telegram brings again. It must not know what updates mean.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from http import HTTPStatus

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.telegram.intake import Intake, reason

log = logging.getLogger(__name__)

PATH = "/telegram"
LONGEST = 1 << 20  # bytes of one update; Telegram's own are far shorter


def secret_of(token: str) -> str:
    """What Telegram must show with each call.

    It follows from the token, so that all processes of one bot agree on it and nobody has to make one up; whoever has the token
    needs no secret any more.
    """
    return hmac.new(token.encode(), b"firstline webhook", hashlib.sha256).hexdigest()


class Webhook:
    def __init__(self, secret: str) -> None:
        self.secret = secret
        self._intake: Intake | None = None
        self._turn = asyncio.Lock()  # lets the waiting in first come, first served: a chat's updates keep their order

    @property
    def route(self) -> Route:
        return Route(PATH, self.answer, methods=["POST"])

    def open(self, intake: Intake) -> None:
        self._intake = intake

    async def shut(self) -> None:
        """Take nothing more, and wait for what is being taken."""
        self._intake = None
        async with self._turn:
            pass

    async def answer(self, request: Request) -> Response:
        shown = request.headers.get("X-Telegram-Bot-Api-Secret-Token", "")
        if not hmac.compare_digest(shown.encode(), self.secret.encode()):
            log.warning("a call with a %s secret was refused", "wrong" if shown else "missing")
            return Response(status_code=HTTPStatus.FORBIDDEN)
        try:
            body = await _body(request)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody is there to read it
        if body is None:
            return Response(status_code=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        try:
            update = json.loads(body)
        except (ValueError, RecursionError):
            update = None
        if not isinstance(update, dict):
            log.warning("an update was skipped, it is no JSON object")  # it would be none the next time either
            return Response()
        return await self._taken(update)

    async def _taken(self, update: dict[str, object]) -> Response:
        async with self._turn:
            if self._intake is None:
                return Response(status_code=HTTPStatus.SERVICE_UNAVAILABLE)
            try:
                await self._intake.take(update)
            except Exception as error:
                log.warning("update %s is left for later: %s", update.get("update_id"), reason(error))
                return Response(status_code=HTTPStatus.INTERNAL_SERVER_ERROR)
        return Response()


async def _body(request: Request) -> bytes | None:
    """None if it is too long. Raises ClientDisconnect."""
    pieces, length = [], 0
    async for piece in request.stream():
        length += len(piece)
        if length > LONGEST:
            return None
        pieces.append(piece)
    return b"".join(pieces)
