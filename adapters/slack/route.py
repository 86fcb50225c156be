"""Puts the webhook into the one ASGI app, for which the extra ``web`` is needed.

It must not know what is received, nor who serves it.
"""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from adapters.slack.webhook import LONGEST, Webhook


def route(path: str, webhook: Webhook) -> BaseRoute:
    async def slack(request: Request) -> Response:
        body = b""
        try:
            async for piece in request.stream():
                body += piece
                if len(body) > LONGEST:
                    return Response(status_code=413)
        except ClientDisconnect:
            return Response(status_code=400)
        answer = await webhook.answer(request.headers, body)
        headers = {name: value for name, values in answer.headers.items() for value in values}
        return Response(answer.body, answer.status, headers)

    return Route(path, slack, methods=["POST"])
