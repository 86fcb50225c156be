"""The loopback server knows the Bot API as it is described, where a machine-readable description is at hand (FIRSTLINE_SPECS)."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.telegram_methods import METHODS

KINDS = {
    "integer": {"Integer"},
    "string": {"String"},
    "boolean": {"Boolean"},
    "chat": {"Integer", "String"},
    "file": {"InputFile"},
}
STRICTER = {("getUpdates", "allowed_updates"), ("setWebhook", "allowed_updates"), ("setWebhook", "secret_token")}
"""What Telegram would do without, and we must not."""
TOLD_APART = {("editMessageText", "text"), ("editMessageText", "chat_id"), ("editMessageText", "message_id")} | {
    ("editMessageReplyMarkup", "chat_id"),
    ("editMessageReplyMarkup", "message_id"),
}
"""Required unless something is meant that we never send: an inline message, a text of rich blocks."""


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    folder = os.environ.get("FIRSTLINE_SPECS")
    if not folder:
        pytest.skip("FIRSTLINE_SPECS names no folder of API descriptions")
    [newest] = sorted(Path(folder).glob("telegram_bot_api_*.json"))[-1:]
    methods: dict[str, Any] = json.loads(newest.read_text())["methods"]
    return methods


@pytest.mark.parametrize("method", METHODS)
def test_a_method_takes_what_is_described(described: dict[str, Any], method: str) -> None:
    fields = {field["name"]: field for field in described[method].get("fields", [])}
    for name, (kind, required) in METHODS[method].items():
        assert name in fields, f"{method} has no argument {name}"
        types = set(fields[name]["types"])
        if kind == "list":
            assert all(of.startswith("Array of") for of in types), (name, types)
        elif kind == "object":
            assert not any(of.startswith("Array of") or of in {"Integer", "String", "Boolean"} for of in types)
        else:
            assert KINDS[kind] <= types, (name, types)
        assert required == fields[name]["required"] or (method, name) in STRICTER | TOLD_APART, name


@pytest.mark.parametrize("method", METHODS)
def test_a_method_demands_all_that_is_described_as_required(described: dict[str, Any], method: str) -> None:
    needed = {field["name"] for field in described[method].get("fields", []) if field["required"]}
    assert needed <= {name for name, (_, required) in METHODS[method].items() if required}
