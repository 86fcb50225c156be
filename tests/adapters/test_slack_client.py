"""Connections to Slack are kept between calls, and one that breaks in between costs no call."""

from __future__ import annotations

import asyncio

from adapters.slack.adapter import SlackAdapter
from bot.model import ChatRef, OutboundMessage
from bot.storage.files import Folder
from tests.loopback.raw import Reader, Writer, a_server

OK = b'{"ok": true, "ts": "1700000000.000001"}'
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: b=1\r\nContent-Length: %d\r\n\r\n" % len(OK) + OK
)


async def test_a_connection_is_kept_and_a_broken_one_costs_no_call_after_it(files: Folder) -> None:
    connections: list[Writer] = []
    requests: list[bytes] = []

    async def note(request: bytes, reader: Reader, writer: Writer) -> None:
        requests.append(request)
        if writer not in connections:
            connections.append(writer)
        writer.write(ANSWER)

    async with a_server(note) as address:
        adapter = SlackAdapter("xoxb-1", "xapp-1", files=files, base_url=f"http://{address}/api/", timeout=2)
        [part] = adapter.render(OutboundMessage(ChatRef("slack", "T1:D1"), "Guten Tag"))
        assert [await adapter.send(part), await adapter.send(part)] == ["1700000000.000001"] * 2
        assert len(connections) == 1
        connections[0].close()
        await asyncio.sleep(0.05)
        assert await adapter.send(part) == "1700000000.000001"
        assert len(connections) == 2
        await adapter.close()
    assert len(requests) == 3
    assert not any(b"cookie:" in request.lower() for request in requests), "what one call brings, no other takes along"
