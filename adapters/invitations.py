"""Recognises an invitation: what a chat hands over when its link is followed, or what somebody pastes.

It must not know whom a token invites, nor whether it is genuine.
"""

from __future__ import annotations

import re

_FOLLOWED = re.compile(r"/start[ \t]+([A-Za-z0-9_-]{1,64})")
_PASTED = re.compile(r"[`<\"'\s]*(fl-[A-Za-z0-9_-]{43})[`>\"'.\s]*")


def invitation(text: str) -> str | None:
    """The token that ``text`` consists of; None if it says anything else, so that no request is taken for an invitation."""
    found = _FOLLOWED.fullmatch(text.strip()) or _PASTED.fullmatch(text.strip())
    return found[1] if found else None
