"""HTTP for an object store that speaks S3, and stays with the host that the operator has named, wherever that one points.

It must not know what is kept there. Its import needs the extra ``s3``.
"""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession

from bot.errors import FilesError


class StayingSession(AIOHTTPSession):  # type: ignore[misc]  # the package publishes no types
    """aiobotocore lets aiohttp follow redirections, and has no setting against it.

    That a bucket lies in another region of Amazon's is said without an address; botocore goes there by its own list.
    """

    async def _get_session(self, proxy_url: str | None) -> Any:
        session = await super()._get_session(proxy_url)
        return SimpleNamespace(request=partial(session.request, allow_redirects=False))

    async def send(self, request: Any) -> Any:
        """Raises FilesError where the answer is a redirection to an address."""
        response = await super().send(request)
        if 300 <= response.status_code < 400 and "location" in response.headers:
            raise FilesError(
                "Files cannot be kept: the object store redirects elsewhere, which is not followed. Set AWS_ENDPOINT_URL and "
                "AWS_DEFAULT_REGION to where the bucket is."
            )
        return response
