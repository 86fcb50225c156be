"""A strict S3 on the loopback interface, as far as single objects go: it refuses what is not signed or not whole.

It must not know who uses it. Signatures are only looked at for their form and their key: the secret is never sent.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

import pytest
from aiohttp import web

ACCESS_KEY, SECRET_KEY = "AKIALOOPBACK", "secret"
_SIGNED = re.compile(
    rf"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/\d{{8}}/[a-z0-9-]+/s3/aws4_request, SignedHeaders=\S+, Signature=\w+"
)


def point_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever looks for an object store find the one at ``url``, asked once and past all proxies."""
    found = {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class LoopbackS3:
    bucket: str = "attachments"
    objects: dict[str, bytes] = field(default_factory=dict)
    down: bool = False
    url: str = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[LoopbackS3]:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{bucket}/{key:.*}", self._handle)
        app.router.add_route("*", "/{bucket}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0.01)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        bucket, key = request.match_info["bucket"], request.match_info.get("key", "")
        if self.down:
            return _refused(503, "ServiceUnavailable")
        if not _SIGNED.fullmatch(request.headers.get("Authorization", "")):
            return _refused(403, "AccessDenied")
        if bucket != self.bucket:
            return _refused(404, "NoSuchBucket")
        match request.method:
            case "PUT" if key:
                return await self._put(key, request)
            case "DELETE" if key:
                self.objects.pop(key, None)  # S3 does not mind when there is none
                return web.Response(status=204)
            case "GET" if not key:
                return self._list(request.query.get("prefix", ""))
            case "GET" | "HEAD" if key in self.objects:
                return self._get(self.objects[key], request)
            case "GET" | "HEAD":
                return _refused(404, "NoSuchKey")
        return _refused(405, "MethodNotAllowed")

    async def _put(self, key: str, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        told = request.headers["x-amz-content-sha256"]
        if told.startswith("STREAMING-"):
            body = _unchunked(body)
            if len(body) != int(request.headers["x-amz-decoded-content-length"]):
                return _refused(400, "IncompleteBody")
        elif told != "UNSIGNED-PAYLOAD" and told != hashlib.sha256(body).hexdigest():
            return _refused(400, "XAmzContentSHA256Mismatch")
        self.objects[key] = body
        return web.Response(headers={"ETag": f'"{hashlib.md5(body).hexdigest()}"'})

    def _get(self, content: bytes, request: web.Request) -> web.StreamResponse:
        etag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": etag, "Last-Modified": "Mon, 02 Mar 2026 09:00:00 GMT", "Accept-Ranges": "bytes"}
        if request.headers.get("If-Match", etag) != etag:
            return _refused(412, "PreconditionFailed")
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if wanted is None:
            return web.Response(body=content, headers=headers)
        start, end = int(wanted[1]), min(int(wanted[2]), len(content) - 1)
        if start > end:
            return _refused(416, "InvalidRange")
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        return web.Response(status=206, body=content[start : end + 1], headers=headers)

    def _list(self, prefix: str) -> web.Response:
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size></Contents>"
            for key, content in self.objects.items()
            if key.startswith(prefix)
        )
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
        return web.Response(text=body, content_type="application/xml")


def _unchunked(body: bytes) -> bytes:
    """What stands in the pieces of the encoding aws-chunked; the trailer with a checksum is left to AWS."""
    content, rest = b"", body
    while True:
        head, _, rest = rest.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            return content
        content, rest = content + rest[:size], rest[size + 2 :]


def _refused(status: int, code: str) -> web.Response:
    return web.Response(status=status, text=f"<Error><Code>{code}</Code></Error>", content_type="application/xml")
