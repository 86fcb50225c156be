"""What went wrong for good is looked at, put back or given up by people: in its order, and never twice without anybody's wish."""

from __future__ import annotations

import json
from asyncio import to_thread
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.catalogue.catalogue import Catalogue
from bot.cli import app
from bot.delivery import GIVE_UP_AFTER
from bot.desk.erase import erase_person
from bot.desk.letters import LetterError, Letters
from bot.errors import DeliveryError, FirstlineError
from bot.model import Author, Mode, Part
from bot.storage.files import Folder
from bot.storage.store import Store
from tests.conftest import TestDatabase
from tests.fakes import FakeAdapter, a_message
from tests.integration.desk import Desk, a_desk

BLOCKED = DeliveryError("blocked", permanent=True)
UNKNOWN = DeliveryError("time-out", uncertain=True)


class Askable(FakeAdapter):
    """A platform that can be asked what it has."""

    asked = 0

    async def find(self, part: Part) -> str | None:
        self.asked += 1
        return "found" if part.payload["text"] in self.texts else None


async def _states(desk: Desk) -> list[tuple[str, str]]:
    return [(letter.text, letter.state) for letter in await desk.letters()]


# --- sends --------------------------------------------------------------------------------------------


async def test_sends_that_failed_are_put_back_and_leave_in_their_old_order_before_what_waits(desk: Desk) -> None:
    desk.adapter.behaviour += [BLOCKED, BLOCKED]
    await desk.post("1", "2")
    await desk.deliver_all()
    await desk.post("3")
    for number in ("out-2", "out-1"):
        await desk.dead.retry(number, actor="cli")
    await desk.deliver_all()
    assert desk.adapter.texts == ["1", "2", "3"]
    assert await desk.dead.all() == ()


async def test_two_people_who_put_the_same_one_back_have_it_sent_once(desk: Desk) -> None:
    desk.adapter.behaviour.append(BLOCKED)
    await desk.post("1")
    await desk.deliver_all()
    await desk.dead.retry("out-1", actor="staff:kim")
    with pytest.raises(LetterError, match="no dead letter out-1"):
        await desk.dead.retry("out-1", actor="staff:mira")
    await desk.deliver_all()
    with pytest.raises(LetterError, match="no dead letter out-1"):
        await desk.dead.retry("out-1", actor="staff:mira")
    assert desk.adapter.texts == ["1"]


async def test_what_is_put_back_after_days_has_a_day_to_arrive_again(desk: Desk) -> None:
    await desk.post("1")
    desk.clock.advance(GIVE_UP_AFTER * 2)
    desk.adapter.behaviour += [DeliveryError("503"), DeliveryError("503")]
    await desk.deliver_all()
    assert await _states(desk) == [("1", "dead")]
    await desk.dead.retry("out-1", actor="cli")
    await desk.deliver_all()
    assert await _states(desk) == [("1", "sent")]


async def test_a_send_that_may_have_arrived_is_not_repeated_unless_somebody_says_that_it_may_come_twice(
    desk: Desk,
) -> None:
    desk.adapter.behaviour += [UNKNOWN, UNKNOWN]
    await desk.post("1")
    await desk.deliver_all()
    assert await _states(desk) == [("1", "uncertain")]
    with pytest.raises(LetterError, match="--again"):
        await desk.dead.retry("out-1", actor="cli")
    await desk.dead.retry("out-1", actor="cli", again=True)
    await desk.deliver_all()
    assert desk.adapter.tried == ["1", "1", "1"]
    assert await _states(desk) == [("1", "sent")]
    assert await desk.uncertain_sends() == 2, "what customers may have seen twice stays counted"


async def test_after_again_an_unknown_outcome_ends_it_as_at_the_first_time(desk: Desk) -> None:
    desk.adapter.behaviour += [UNKNOWN] * 4
    await desk.post("1")
    await desk.deliver_all()
    await desk.dead.retry("out-1", actor="cli", again=True)
    await desk.deliver_all()
    assert await _states(desk) == [("1", "uncertain")]
    assert len(desk.adapter.tried) == 4
    assert await desk.uncertain_sends() == 4


@pytest.mark.parametrize("arrived", [True, False])
async def test_a_platform_that_can_be_asked_is_asked_before_anything_is_repeated(
    store: Store, catalogue: Catalogue, arrived: bool
) -> None:
    adapter = Askable()
    async with a_desk(store, catalogue, adapter=adapter) as desk:
        await desk.post("1")
        letter = (await desk.letters())[0]
        async with store.transaction() as session:
            await session.outbox.close(letter, "uncertain", "interrupted while sending", uncertain=2)
        if arrived:
            adapter.sent.append(("c1", "1"))
        letters = Letters(store, desk.clock, lambda name: True)
        await letters.retry("out-1", actor="cli")
        await desk.deliver_all()
        assert adapter.asked
        assert adapter.texts == ["1"], "there once, whether or not it had arrived"
        assert await _states(desk) == [("1", "sent")]


async def test_the_bot_does_not_talk_over_a_person_because_its_words_are_put_back(desk: Desk) -> None:
    desk.adapter.behaviour += [BLOCKED, BLOCKED]
    conversation_id = await desk.post("1")
    await desk.post("from mira", author=Author.PERSON)
    await desk.deliver_all()
    await desk.set_mode(conversation_id, Mode.HUMAN)
    with pytest.raises(LetterError, match="a person has the word"):
        await desk.dead.retry("out-1", actor="cli")
    await desk.dead.retry("out-2", actor="cli")
    await desk.deliver_all()
    assert desk.adapter.texts == ["from mira"]


# --- giving up ----------------------------------------------------------------------------------------


async def test_what_is_given_up_is_kept_with_its_talk_and_shown_no_more(desk: Desk) -> None:
    desk.classifier.poison.add("Gift")
    conversation_id = await desk.conversation_of(a_message("Gift"))
    await desk.handle_all()
    desk.adapter.behaviour.append(BLOCKED)
    await desk.deliver_all()
    for letter in await desk.dead.all():
        await desk.dead.drop(letter.number, actor="staff:kim")
    assert await desk.dead.all() == ()
    assert [row.state for row in await desk.inbox()] == ["dropped"]
    (sent,) = await desk.letters()
    assert (sent.state, sent.error) == ("dropped", "given up: blocked")
    *_, first, second = await desk.events(conversation_id)
    assert {first.data["dead_letter"], second.data["dead_letter"]} == {"in-1", "out-1"}
    with pytest.raises(LetterError, match="no dead letter"):
        await desk.dead.retry("out-1", actor="cli")


@pytest.mark.parametrize("number", ["1", "out", "out-", "out-x", "in--1", "mail-1", "in-" + "9" * 30, ""])
async def test_what_is_no_number_is_told_so(desk: Desk, number: str) -> None:
    with pytest.raises(LetterError, match="is no number of a dead letter"):
        await desk.dead.one(number)


# --- the command line ---------------------------------------------------------------------------------


async def test_the_commands_show_and_put_back(desk: Desk, database: TestDatabase, tmp_path: Path) -> None:
    desk.classifier.poison.add("Gift")
    await desk.receive(a_message("Gift [bold]im[/] Drucker"))
    await desk.handle_all()
    desk.adapter.behaviour.append(BLOCKED)
    await desk.deliver_all()
    settings = {"FIRSTLINE_DATABASE_URL": database.url, "FIRSTLINE_DATA": str(tmp_path / "data"), "COLUMNS": "200"}

    async def run(*words: str) -> str:
        result = await to_thread(CliRunner().invoke, app, ["dead", *words], env=settings)
        if isinstance(result.exception, FirstlineError):
            return str(result.exception)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.output

    rows = json.loads(await run("list", "--format", "json"))
    assert [(row["number"], row["ticket"]) for row in rows] == [("in-1", "HD-000001"), ("out-1", "HD-000001")]
    assert "Gift [bold]im[/] Drucker" in await run("list")
    shown = await run("show", "in-1")
    assert "Traceback" in shown
    assert "this text cannot be classified" in shown
    assert "tried anew" in await run("retry", "in-1", "out-1", "--as", "Kim")
    desk.classifier.poison.clear()
    await desk.handle_all()
    await desk.deliver_all()
    assert len(desk.adapter.texts) == 2
    assert "Nothing has gone wrong" in await run("list")
    assert "no dead letter in-1" in await run("drop", "in-1")


async def test_an_erased_customer_leaves_no_dead_letter_behind(desk: Desk, tmp_path: Path) -> None:
    desk.classifier.poison.add("Gift")
    await desk.receive(a_message("Gift"))
    await desk.handle_all()
    desk.adapter.behaviour.append(BLOCKED)
    await desk.deliver_all()
    assert len(await desk.dead.all()) == 2
    await erase_person(desk.store, Folder(tmp_path), "fake", "kunde", desk.clock(), actor="cli")
    assert await desk.dead.all() == ()
