"""The loopback Slack against a machine-readable description of Slack's Web API, where one is at hand.

FIRSTLINE_SPECS names the folder that has it: ``slack_web_api.json``, a mapping from methods to their arguments, errors and scopes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.slack_methods import METHODS

FOLDER = os.environ.get("FIRSTLINE_SPECS")
SPEC = Path(FOLDER or "nowhere") / "slack_web_api.json"
pytestmark = pytest.mark.skipif(not SPEC.is_file(), reason="FIRSTLINE_SPECS names no folder with slack_web_api.json")
UNDESCRIBED = {"apps.manifest.export"}
"""Methods for an app's owner, not for the app."""


@pytest.fixture(scope="module")
def spec() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SPEC.read_text())
    return loaded


@pytest.mark.parametrize("name", sorted(set(METHODS) - UNDESCRIBED))
def test_a_method_takes_no_argument_that_slack_does_not_know_and_wants_all_that_it_needs(
    spec: dict[str, Any], name: str
) -> None:
    described, ours = spec[name]["args"], METHODS[name].args
    assert set(ours) <= set(described["properties"])
    needed = set(described.get("required", ())) - {"token"}
    assert needed <= {argument for argument, (_, required) in ours.items() if required}


@pytest.mark.parametrize("name", sorted(set(METHODS) - UNDESCRIBED))
def test_a_method_wants_a_scope_that_slack_wants(spec: dict[str, Any], name: str) -> None:
    described = set(spec[name].get("scope", {}).get("bot", ()))
    assert METHODS[name].scopes <= described
    assert bool(METHODS[name].scopes) == bool(described)


@pytest.mark.parametrize(
    ("name", "errors"),
    [
        ("chat.postMessage", {"channel_not_found", "is_archived", "msg_blocks_too_long", "no_text", "invalid_blocks"}),
        ("chat.postMessage", {"invalid_metadata_format"}),
        ("chat.update", {"message_not_found", "msg_too_long", "no_text", "invalid_blocks"}),
        ("conversations.history", {"channel_not_found"}),
        ("conversations.info", {"channel_not_found"}),
        ("conversations.members", {"channel_not_found"}),
        ("reactions.add", {"already_reacted", "bad_timestamp", "invalid_name", "is_archived", "message_not_found"}),
        ("reactions.remove", {"no_reaction"}),
        ("users.info", {"user_not_found"}),
    ],
)
def test_the_server_refuses_in_slacks_own_words(spec: dict[str, Any], name: str, errors: set[str]) -> None:
    assert errors <= set(spec[name]["errors"])
