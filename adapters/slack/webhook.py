"""Slack's HTTP side: one address for events, interactions and commands, and the check that it is Slack who calls.

It must not know what arrives, only that it is answered with 200 after it has been taken, or not at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.signature import Clock, SignatureVerifier

log = logging.getLogger(__name__)

STALE = 300
"""Seconds after which Slack's own signature is not believed any more."""
LONGEST = 1 << 20
_NO_RETRY: dict[str, str | Sequence[str]] = {"x-slack-no-retry": "1"}


class Webhook:
    """``clock`` gives seconds since 1970. ``app`` takes what is genuine; None: nothing can be taken now, so 503 is the answer."""

    def __init__(self, signing_secret: str, clock: Callable[[], float] = time.time) -> None:
        self.app: AsyncApp | None = None
        self._clock = clock
        self._verifier = SignatureVerifier(signing_secret, _SdkClock(clock))
        self._used: dict[str, float] = {}

    async def answer(self, headers: Mapping[str, str], body: bytes) -> BoltResponse:
        """``headers`` by their names in small letters. A request that Slack did not sign just now, or that was answered before,
        gets 401, and nobody learns why.
        """
        signature = self._genuine(headers, body)
        if signature is None:
            return BoltResponse(status=401, body='{"error": "invalid request"}')
        if self.app is None:
            return BoltResponse(status=503)
        try:
            request = AsyncBoltRequest(body=body.decode(), headers=dict(headers))
            if not isinstance(request.body, dict):
                raise TypeError("no object")
            response: BoltResponse = await self.app.async_dispatch(request)
        except (AttributeError, IndexError, KeyError, RecursionError, TypeError, ValueError) as error:
            # Bolt could not even read it. It would come again, and no better.
            log.warning("a payload was skipped, it cannot be read: %s", type(error).__name__)
            response = BoltResponse(status=200, headers=_NO_RETRY)
        if response.status == 200:
            self._remember(signature)
        return response

    def _genuine(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """The signature, if it is one. Bolt has such a check, but it falls over a time that is no number, and logs the text."""
        stamp = headers.get("x-slack-request-timestamp", "")
        signature = headers.get("x-slack-signature", "")
        if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12 and signature.isascii()):
            return None
        try:
            genuine = len(body) <= LONGEST and self._verifier.is_valid(body, stamp, signature)
        except UnicodeDecodeError:
            return None
        return signature if genuine and signature not in self._used else None

    def _remember(self, signature: str) -> None:
        """Slack signs anew whatever it sends again, so a signature is good for once. Another process does not know of it; there,
        what it signs is a repeated message and changes nothing.
        """
        now = self._clock()
        while self._used and next(iter(self._used.values())) < now:
            del self._used[next(iter(self._used))]
        self._used[signature] = now + 2 * STALE


class _SdkClock(Clock):
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock()
