"""Addresses that a platform names are fetched only where they lie with that platform: nothing of ours goes anywhere else.

A server that is nobody's business listens beside it and writes down who comes, and with what.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from adapters.slack import SlackAdapter
from adapters.slack.files import slacks_own
from adapters.telegram import TelegramAdapter
from bot.errors import DeliveryError, FilesError
from bot.model import Attachment, ChatRef, File, OutboundMessage
from bot.storage.files import Folder
from bot.storage.objects import Objects
from tests.loopback.s3 import point_to

SECRET_BOT_TOKEN = "xoxb-1-canary-of-the-bot"
TELEGRAM_TOKEN = "42:canary-of-the-telegram-bot-0123456789"


@dataclass
class Server:
    """Answers every request from ``answers`` (by path), else ``otherwise``; keeps what it was asked and with which headers."""

    url: str = ""
    answers: dict[str, web.Response] = field(default_factory=dict)
    otherwise: web.Response = field(
        default_factory=lambda: web.Response(body=b"loot", content_type="application/octet-stream")
    )
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.raw_path, dict(request.headers)))
        await request.read()
        found = self.answers.get(request.path, self.otherwise)
        return web.Response(status=found.status, body=found.body, headers=found.headers)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Server]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.01)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()


@pytest.fixture
async def platform() -> AsyncIterator[Server]:
    async with Server().serve() as server:
        yield server


@pytest.fixture
async def stranger() -> AsyncIterator[Server]:
    async with Server().serve() as server:
        yield server


def slack_of(server: Server, files: Folder) -> SlackAdapter:
    return SlackAdapter(SECRET_BOT_TOKEN, "xapp-1", files=files, base_url=f"{server.url}/api/", timeout=2, pause=0.01)


async def fetched(adapter: SlackAdapter | TelegramAdapter) -> bytes | DeliveryError:
    try:
        return b"".join([piece async for piece in adapter.fetch(Attachment("a", "text/plain", 3, "F1"))])
    except DeliveryError as error:
        return error
    finally:
        await adapter.close()


ELSEWHERE = [
    "http://127.0.0.1:{port}/f",
    "http://localhost:{port}/f",
    "http://[::1]:{port}/f",
    "http://[::ffff:127.0.0.1]:{port}/f",
    "http://2130706433:{port}/f",
    "http://0x7f000001:{port}/f",
    "http://0177.0.0.1:{port}/f",
    "http://127.1:{port}/f",
    "http://0:{port}/f",
    "http://files.slack.com@127.0.0.1:{port}/f",
    "http://{own}@127.0.0.1:{port}/f",
    "http://127.0.0.1:{port}#@{own}/f",
    "http://127.0.0.1:{port}\\@{own}/f",
    "http://127.0.0.1:{port}?{own}",
    "//127.0.0.1:{port}/f",
    "http:///127.0.0.1:{port}/f",
    "https://127.0.0.1:{port}/.slack.com",
    "ftp://127.0.0.1:{port}/f",
]
NEVER = [
    "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/",
    "https://169.254.169.254/.slack.com",
    "http://files.slack.com/f",
    "https://slack.com.evil.example/f",
    "https://evilslack.com/f",
    "https://files.slack.com:22/f",
    "https://files.slack.com:x/f",
    "https://files.slack.com./f",
    "https://user@files.slack.com/f",
    "https://user:word@files.slack.com/f",
    "https://evil.example\\.slack.com/f",
    "https://evil.example%2f.slack.com/f",
    "https://evil.example%23.slack.com/f",
    "https://evil.example;.slack.com/f",
    "https://evil.example .slack.com/f",
    "https://evil.example\u3002slack.com/f",
    "https://evil.example\uff0f.slack.com/f",
    "https://[::1/f",
    "https://[::1].slack.com/f",
    "https:files.slack.com/f",
    "file:///etc/passwd",
    "file://files.slack.com/etc/passwd",
    "gopher://files.slack.com/f",
    "data:text/plain,x",
    "javascript:alert(1)",
    "/etc/passwd",
    "\x00",
    "",
]


@pytest.mark.parametrize("address", [*ELSEWHERE, *NEVER])
async def test_a_file_of_slack_is_fetched_from_slack_alone(
    platform: Server, stranger: Server, files: Folder, address: str
) -> None:
    own = platform.url.removeprefix("http://")
    named = address.replace("{port}", stranger.port).replace("{own}", own)
    file = {"id": "F1", "mimetype": "text/plain", "url_private": named}
    platform.answers["/api/files.info"] = web.json_response({"ok": True, "file": file})
    failure = await fetched(slack_of(platform, files))
    assert isinstance(failure, DeliveryError)
    assert failure.permanent
    assert SECRET_BOT_TOKEN not in str(failure)
    assert stranger.asked == []
    assert [path for path, _ in platform.asked] == ["/api/files.info?file=F1"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(platform: Server, stranger: Server, files: Folder, status: int) -> None:
    file = {"id": "F1", "mimetype": "text/plain", "url_private": f"{platform.url}/files-pri/F1"}
    platform.answers["/api/files.info"] = web.json_response({"ok": True, "file": file})
    platform.answers["/files-pri/F1"] = web.Response(status=status, headers={"Location": f"{stranger.url}/f"})
    assert isinstance(await fetched(slack_of(platform, files)), DeliveryError)
    assert stranger.asked == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirected_call_is_not_followed(
    platform: Server, stranger: Server, files: Folder, status: int
) -> None:
    platform.answers["/api/chat.postMessage"] = web.Response(status=status, headers={"Location": f"{stranger.url}/f"})
    adapter = slack_of(platform, files)
    [part] = adapter.render(OutboundMessage(ChatRef("slack", "T1:D1"), "what a customer must not lose"))
    with pytest.raises(DeliveryError) as caught:
        await adapter.send(part)
    await adapter.close()
    assert caught.value.uncertain
    assert SECRET_BOT_TOKEN not in str(caught.value)
    assert stranger.asked == []


@pytest.mark.parametrize(
    "address",
    [
        "https://files.slack.com/files-pri/T1-F1/a.txt",
        "https://FILES.slack.com/x",
        "https://files.slack.com:443/x",
        "https://a.b.slack-gov.com/x",
        "wss://wss-primary.slack.com/link/?ticket=1",
    ],
)
async def test_slacks_own_addresses_are_known(platform: Server, files: Folder, address: str) -> None:
    assert slacks_own(address, slack_of(platform, files)._lifecycle)


async def _sent_file(adapter: SlackAdapter, files: Folder) -> None:
    async def content() -> AsyncIterator[bytes]:
        yield b"what staff send to a customer"

    file = File(await files.put("1", content()), "a.txt", "text/plain", 29)
    [part] = adapter.render(OutboundMessage(ChatRef("slack", "T1:D1"), "", attachments=(file,)))
    with pytest.raises(DeliveryError) as caught:
        await adapter.send(part)
    assert not caught.value.uncertain
    await adapter.close()


async def test_a_file_is_handed_in_with_slack_alone(platform: Server, stranger: Server, files: Folder) -> None:
    ticket: dict[str, Any] = {"ok": True, "file_id": "F1", "upload_url": f"{stranger.url}/upload"}
    platform.answers["/api/files.getUploadURLExternal"] = web.json_response(ticket)
    await _sent_file(slack_of(platform, files), files)
    platform.answers["/api/files.getUploadURLExternal"] = web.json_response(
        ticket | {"upload_url": f"{platform.url}/u"}
    )
    platform.answers["/u"] = web.Response(status=307, headers={"Location": f"{stranger.url}/upload"})
    await _sent_file(slack_of(platform, files), files)
    assert stranger.asked == []


async def test_a_socket_is_opened_to_slack_alone(platform: Server, stranger: Server, files: Folder) -> None:
    me = {"ok": True, "team_id": "T1", "user_id": "U1"}
    platform.answers["/api/auth.test"] = web.json_response(me)
    socket = f"{stranger.url.replace('http', 'ws')}/link"
    platform.answers["/api/apps.connections.open"] = web.json_response({"ok": True, "url": socket})

    async def nothing(_: object) -> None:
        raise AssertionError

    adapter = slack_of(platform, files)
    running = asyncio.create_task(adapter.run(nothing))
    async with asyncio.timeout(10):
        while sum("connections.open" in path for path, _ in platform.asked) < 3:
            await asyncio.sleep(0.01)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await adapter.close()
    assert stranger.asked == []


PATHS = [
    "../../../etc/passwd",
    "documents/../../x",
    "..",
    "./x",
    "/etc/passwd",
    "//127.0.0.1:{port}/f",
    "http://127.0.0.1:{port}/f",
    "@127.0.0.1:{port}/f",
    "\\\\127.0.0.1:{port}\\f",
    "a?b=c",
    "a#b",
    "a\r\nHost: 127.0.0.1:{port}",
    "%2e%2e/%2e%2e/x",
    "\x00",
]


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_of_telegram_stays_among_the_files_of_the_bot(
    platform: Server, stranger: Server, files: Folder, path: str
) -> None:
    file = {"file_id": "F1", "file_unique_id": "u", "file_path": path.replace("{port}", stranger.port)}
    platform.answers[f"/bot{TELEGRAM_TOKEN}/getFile"] = web.json_response({"ok": True, "result": file})
    base = platform.url
    adapter = TelegramAdapter(
        TELEGRAM_TOKEN, files=files, base_url=f"{base}/bot", base_file_url=f"{base}/file/bot", timeout=2
    )
    result = await fetched(adapter)
    assert TELEGRAM_TOKEN not in str(result)
    assert stranger.asked == []
    _, *then = [asked for asked, _ in platform.asked]
    assert all(asked.startswith(f"/file/bot{TELEGRAM_TOKEN}/") for asked in then), then


async def test_telegram_is_not_followed_elsewhere_either(platform: Server, stranger: Server, files: Folder) -> None:
    file = {"file_id": "F1", "file_unique_id": "u", "file_path": "documents/f"}
    platform.answers[f"/bot{TELEGRAM_TOKEN}/getFile"] = web.json_response({"ok": True, "result": file})
    elsewhere = web.Response(status=302, headers={"Location": f"{stranger.url}/f"})
    platform.answers[f"/file/bot{TELEGRAM_TOKEN}/documents/f"] = elsewhere
    base = platform.url
    adapter = TelegramAdapter(
        TELEGRAM_TOKEN, files=files, base_url=f"{base}/bot", base_file_url=f"{base}/file/bot", timeout=2
    )
    assert isinstance(await fetched(adapter), DeliveryError)
    assert stranger.asked == []


SHA = "0" * 64
KEYS = [
    f"../{SHA}",
    f"a/../../other-bucket/{SHA}",
    f"//127.0.0.1:{{port}}/{SHA}",
    f"http://127.0.0.1:{{port}}/{SHA}",
    f"s3://other-bucket/{SHA}",
    f"a?x=1/{SHA}",
    f"a/{SHA}?versionId=1",
    f"a/{SHA}#x",
    f"a#/{SHA}",
    f"%2e%2e/{SHA}",
    f"a%2f..%2fb/{SHA}",
    f"a\\..\\b/{SHA}",
    f"a/{SHA}\r\nHost: 127.0.0.1:{{port}}",
    f"a/{SHA}\n",
    f"\x00/{SHA}",
    f"a@127.0.0.1/{SHA}",
    f"/{SHA}",
    f"a/{SHA[1:]}",
    f"a/{SHA}0",
    f"ä/{SHA}",
    "../../etc/passwd",
    "",
]
"""What no key of a file may be, wherever it comes from: it would change the bucket, the path, or the host."""


@pytest.fixture
def objects(platform: Server, monkeypatch: pytest.MonkeyPatch) -> Objects:
    point_to(platform.url, monkeypatch)
    return Objects("s3://attachments/firstline")


async def _piece() -> AsyncIterator[bytes]:
    yield b"x"


@pytest.mark.parametrize("key", KEYS)
async def test_a_key_leads_nowhere_but_to_the_files_of_the_bot(
    platform: Server, stranger: Server, objects: Objects, files: Folder, key: str
) -> None:
    named = key.replace("{port}", stranger.port)
    for store in (objects, files):
        with pytest.raises(FilesError):
            await anext(store.open(named))
        with pytest.raises(FilesError):
            await store.remove(named)
    assert platform.asked == stranger.asked == []


@pytest.mark.parametrize("folder", ["..", "../other", "a/b", "//evil", "a?b", "a#b", "%2e%2e", "", "a\x00", "s3://b"])
async def test_no_folder_leads_out_of_the_place_of_files(platform: Server, objects: Objects, folder: str) -> None:
    with pytest.raises(FilesError):
        await objects.put(folder, _piece())
    assert platform.asked == []


@pytest.mark.parametrize("region", ["", "eu-west-1", "evil.example"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_an_object_store_leads_nowhere_else(
    platform: Server, stranger: Server, objects: Objects, status: int, region: str
) -> None:
    elsewhere = {"Location": f"{stranger.url}/attachments/firstline"}
    platform.otherwise = web.Response(
        status=status, headers=elsewhere | ({"x-amz-bucket-region": region} if region else {})
    )
    for verb in (objects.put("c1", _piece()), anext(objects.open(f"c1/{SHA}")), objects.remove(f"c1/{SHA}")):
        before = len(platform.asked)
        with pytest.raises(FilesError, match="AWS_ENDPOINT_URL"):
            await verb
        assert len(platform.asked) > before
    assert stranger.asked == []


@pytest.mark.parametrize("region", ["eu-west-1", "evil.example", "evil.example/"])
async def test_a_region_that_an_object_store_names_does_not_change_its_address(
    platform: Server, objects: Objects, region: str
) -> None:
    platform.otherwise = web.Response(status=301, headers={"x-amz-bucket-region": region})
    with pytest.raises(FilesError):
        await objects.put("c1", _piece())
    assert {headers["Host"] for _, headers in platform.asked} == {platform.url.removeprefix("http://")}
