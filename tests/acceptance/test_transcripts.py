"""Every YAML file of this folder is a set of dialogues, played through the real core. README.md says how to write one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.model import ticket_key
from bot.ports import Classifier
from bot.replay.stage import Happened, Stage, stage
from tests.acceptance.acting import act, alerts, customer, differences

FOLDER = Path(__file__).parent
CHECKS = {
    *("bot", "not", "buttons", "ticket", "mode", "decision", "priority", "reason", "topic", "answers"),
    *("state", "assignee", "rating", "follows", "alerts", "refused"),
}
ACTORS = {"customer", "staff", "event", "after", "does", "as", "by"}
DURATION = TypeAdapter(timedelta)


def dialogues() -> Iterator[Any]:
    for file in sorted(FOLDER.glob("*.yaml")):
        for dialogue in yaml.safe_load(file.read_text(encoding="utf-8")):
            yield pytest.param(dialogue, id=f"{file.stem}: {dialogue['dialogue']}")


@pytest.mark.parametrize("dialogue", tuple(dialogues()))
async def test_dialogue(
    dialogue: dict[str, Any], settings: Settings, shipped: Catalogue, understood: Classifier
) -> None:
    async with stage(settings, catalogue=shipped, classifier=understood) as play:
        told: list[str] = []
        for turn in dialogue["turns"]:
            unknown = set(turn) - CHECKS - ACTORS
            assert not unknown, f"no such key: {unknown}"
            happened, refusal = await _played(play, turn)
            told += [f"{key}: {turn[key]}" for key in ("customer", "staff", "does", "event", "after") if key in turn]
            told += [f"bot: {reply.text} {[b.label for b in reply.buttons]}" for reply in happened.replies]
            told += [f"    ({d['kind']} {d['category']} {d['topic']} {d['confidence']})" for d in happened.decisions]
            told += [f"    (staff hear: {alert})" for alert in alerts(happened)]
            problems = [*_differences(turn, happened), *differences(turn, happened, refusal)]
            assert not problems, "\n".join([*problems, "", *told])


async def _played(play: Stage, turn: dict[str, Any]) -> tuple[Happened, str]:
    """What the turn led to, and the sentence with which the desk refused it, if it did."""
    if "customer" in turn:
        return await play.customer(turn["customer"], sender=customer(turn.get("by"))), ""
    if "staff" in turn or "does" in turn:
        refusal = await act(play, turn.get("does", "reply"), str(turn.get("staff", "")), turn.get("as"))
        return await play.nothing(), refusal
    if "after" in turn:
        return await play.pass_time(DURATION.validate_python(turn["after"])), ""
    match turn["event"]:
        case "a person takes over":
            return await play.take_over(), ""
        case "handed back":
            return await play.hand_back(), ""
    raise AssertionError(f"no such event: {turn['event']}")


def _differences(turn: dict[str, Any], happened: Happened) -> Iterator[str]:
    said = "\n\n".join(reply.text for reply in happened.replies)
    if turn.get("bot") == "silent":
        if said:
            yield f"should be silent, said: {said}"
    elif "bot" in turn:
        expected = turn["bot"] if isinstance(turn["bot"], list) else [turn["bot"]]
        yield from (f"should say: {phrase}" for phrase in expected if phrase.casefold() not in said.casefold())
    forbidden = turn.get("not", [])
    for phrase in forbidden if isinstance(forbidden, list) else [forbidden]:
        if phrase.casefold() in said.casefold():
            yield f"should not say: {phrase}"
    labels = [button.label for reply in happened.replies for button in reply.buttons]
    yield from (f"should show the button: {label}" for label in turn.get("buttons", []) if label not in labels)
    ticket = happened.ticket
    if "ticket" in turn and (ticket_key(ticket.number) if ticket else "none") != turn["ticket"]:
        yield f"ticket should be {turn['ticket']}, is {ticket}"
    for key in ("priority", "reason", "topic"):
        if key in turn and (ticket is None or getattr(ticket, key) != turn[key]):
            yield f"{key} of the ticket should be {turn[key]}, is {ticket and getattr(ticket, key)}"
    if "mode" in turn and (happened.conversation is None or happened.conversation.mode != turn["mode"]):
        yield f"mode should be {turn['mode']}"
    kinds = [decision["kind"] for decision in happened.decisions]
    if "decision" in turn and turn["decision"] not in kinds:
        yield f"decision should be {turn['decision']}, is {kinds}"
    answers = [decision["faq"] for decision in happened.decisions]
    if "answers" in turn and turn["answers"] not in answers:
        yield f"should answer {turn['answers']}, answered {answers}"
