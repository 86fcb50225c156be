"""A file going out, whole or broken off.

It must not know any platform.
"""

from __future__ import annotations

from aiohttp import web

from tests.loopback.faults import Fault


async def sent_out(request: web.Request, content: bytes, fault: Fault) -> web.StreamResponse:
    """Answer with ``content``, promising all of it even where ``fault`` breaks it off in the middle."""
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
    response.content_length = len(content)
    assert request.transport is not None
    if fault.drop:
        request.transport.close()
        return response
    await response.prepare(request)
    if fault.cut:
        await response.write(content[: len(content) // 2])
        request.transport.close()
        return response
    await response.write(content)
    return response
