"""What operators' programs call: is it alive, is it ready, how does it do. Served on an address of its own, not on the public one.

It must not know how anything is measured. Starlette comes with the extra ``metrics``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bot.operations.metrics import Metrics
from bot.operations.status import Insight

PATIENCE = 5.0
"""Seconds for the database. Kubernetes gives up after one unless it is told otherwise; a scrape has ten."""


def routes(insight: Insight, metrics: Metrics) -> Sequence[BaseRoute]:
    async def alive(_: Request) -> Response:
        return JSONResponse({"alive": True})  # whoever answers this has an event loop that turns

    async def ready(_: Request) -> Response:
        try:
            async with asyncio.timeout(PATIENCE):
                unready = await insight.unready()
        except TimeoutError:
            unready = {"database": f"has not answered within {PATIENCE:.0f} seconds"}
        return JSONResponse({"ready": not unready, "missing": unready}, status_code=503 if unready else 200)

    async def measured(request: Request) -> Response:
        page, media_type = await metrics.page(request.headers.get("accept", ""))
        return Response(page, headers={"Content-Type": media_type})

    return [Route("/healthz", alive), Route("/readyz", ready), Route("/metrics", measured)]
