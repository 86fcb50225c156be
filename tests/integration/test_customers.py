"""Who is entitled, as the database knows it: organisations, people, channels, invitations and codes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from bot.agreement.calendar import parse_hours
from bot.agreement.customers import Contact, Contract, Level, Organisation, Standing
from bot.model import Category, ChatRef, Priority
from bot.storage import tables
from bot.storage.customers import CODE_LASTS, CODES_AN_HOUR, WRONG_TRIES
from bot.storage.store import Store
from tests.conftest import TestDatabase
from tests.fakes import START

MUSTER = Organisation(
    id=str(uuid4()),
    name="Muster Maschinenbau GmbH",
    number="10442",
    contracts=(
        Contract(
            number="W-1",
            valid_from=date(2025, 1, 1),
            valid_until=date(2026, 12, 31),
            products=("intrexx",),
            modules=("Formulare", "Prozesse"),
            covers=frozenset({Category.TRAINING, Category.ONSITE}),
            hours=parse_hours("Mo-Fr 08:00-17:00 Europe/Berlin", region="NW"),
            first_response=timedelta(hours=8),
            responses={Priority.HIGH: timedelta(hours=1, minutes=30)},
        ),
        Contract(number="W-2"),
    ),
    email="it@muster.example",
    address="du",
    contacts=(Contact("Petra Klein", "p.klein@muster.example"), Contact("Jan Ort")),
)
BEISPIEL = Organisation(id=str(uuid4()), name="Beispiel AG", number="K-7")
HERE = ChatRef("fake", "T1:C1")


@pytest.fixture
async def customers(store: Store) -> Store:
    """A store with two organisations on file."""
    async with store.transaction() as session:
        await session.customers.save(MUSTER, START)
        await session.customers.save(BEISPIEL, START)
    return store


async def _bind(store: Store, user: str, organisation: Organisation, level: Level, *, after: int = 0) -> None:
    async with store.transaction() as session:
        now = START + timedelta(minutes=after)
        await session.customers.bind("fake", user, organisation.id, level, now, person=user.title(), how="test")


async def _standings(store: Store, user: str, chat: ChatRef = HERE) -> list[tuple[str, Level]]:
    async with store.snapshot() as session:
        found = await session.customers.standings(chat, user)
    return [(s.organisation.name, s.level) for s in found if s.organisation is not None]


# --- organisations ------------------------------------------------------------------------------------


async def test_an_organisation_comes_back_as_it_was_with_its_contracts(customers: Store) -> None:
    async with customers.snapshot() as session:
        assert await session.customers.organisations() == (MUSTER, BEISPIEL)
        assert await session.customers.get(MUSTER.id) == MUSTER
        assert await session.customers.numbered("K-7") == BEISPIEL
        assert await session.customers.numbered("k-7") is None
        assert await session.customers.get("nobody") is None
        assert await session.ask(session.customers.on_file()) == (True,)


async def test_without_customers_on_file_that_is_what_it_says(store: Store) -> None:
    async with store.snapshot() as session:
        assert await session.ask(session.customers.on_file()) == (False,)
        assert await session.customers.organisations() == ()
        assert await session.customers.standings(HERE, "kunde") == ()


async def test_saving_again_changes_what_changed_and_keeps_contracts_that_are_not_mentioned(customers: Store) -> None:
    first, second = MUSTER.contracts
    longer = replace(first, valid_until=date(2028, 12, 31))
    async with customers.transaction() as session:
        await session.customers.save(replace(MUSTER, name="Muster SE", contracts=(longer,)), START)
    async with customers.snapshot() as session:
        found = await session.customers.get(MUSTER.id)
    assert found == replace(MUSTER, name="Muster SE", contracts=(longer, second))


# --- standings ----------------------------------------------------------------------------------------


async def test_a_stranger_is_known_for_nothing(customers: Store) -> None:
    assert await _standings(customers, "kunde") == []


async def test_a_person_of_two_organisations_is_known_for_both_the_proven_first(customers: Store) -> None:
    await _bind(customers, "kunde", BEISPIEL, Level.PROVEN)
    await _bind(customers, "kunde", MUSTER, Level.STATED, after=5)
    await _bind(customers, "andere", MUSTER, Level.PROVEN)
    assert await _standings(customers, "kunde") == [
        ("Beispiel AG", Level.PROVEN),
        ("Muster Maschinenbau GmbH", Level.STATED),
    ]
    async with customers.snapshot() as session:
        assert await session.customers.standings(HERE, "andere") == (Standing(Level.PROVEN, MUSTER),)


async def test_people_of_another_platform_with_the_same_id_are_others(customers: Store) -> None:
    await _bind(customers, "kunde", MUSTER, Level.PROVEN)
    assert await _standings(customers, "kunde", ChatRef("other", "T1:C1")) == []


async def test_what_is_proven_is_never_lowered(customers: Store) -> None:
    await _bind(customers, "kunde", MUSTER, Level.STATED)
    await _bind(customers, "kunde", MUSTER, Level.PROVEN, after=1)
    await _bind(customers, "kunde", MUSTER, Level.STATED, after=2)
    assert await _standings(customers, "kunde") == [("Muster Maschinenbau GmbH", Level.PROVEN)]
    with pytest.raises(ValueError, match="unknown"):
        await _bind(customers, "kunde", MUSTER, Level.UNKNOWN)


async def test_everybody_in_a_bound_channel_is_proven_for_its_organisation_which_comes_first(customers: Store) -> None:
    await _bind(customers, "kunde", MUSTER, Level.PROVEN)
    async with customers.transaction() as session:
        await session.customers.bind_channel("fake", HERE.chat_id, MUSTER.id, START, how="invite")
        await session.customers.bind_channel("fake", HERE.chat_id, BEISPIEL.id, START, how="invite")
    assert await _standings(customers, "neu") == [("Beispiel AG", Level.PROVEN)]
    assert await _standings(customers, "kunde") == [
        ("Beispiel AG", Level.PROVEN),
        ("Muster Maschinenbau GmbH", Level.PROVEN),
    ]
    assert await _standings(customers, "neu", ChatRef("fake", "T1:C2")) == []
    async with customers.transaction() as session:
        await session.customers.unbind_channel("fake", HERE.chat_id)
    assert await _standings(customers, "neu") == []


async def test_a_channel_counts_in_every_thread_and_a_team_for_everybody_in_it(customers: Store) -> None:
    async with customers.transaction() as session:
        await session.customers.bind_channel("fake", "C1", MUSTER.id, START, how="invite")
        await session.customers.bind_channel("fake", "T9", BEISPIEL.id, START, how="invite")
    assert await _standings(customers, "T2:u", ChatRef("fake", "T1:C1", "17.4")) == [
        ("Muster Maschinenbau GmbH", Level.PROVEN)
    ]
    assert await _standings(customers, "T9:u", ChatRef("fake", "T1:D7")) == [("Beispiel AG", Level.PROVEN)]
    assert await _standings(customers, "T99:u", ChatRef("fake", "T1:D7")) == []


async def test_a_person_can_be_forgotten_for_one_organisation_or_for_all(customers: Store) -> None:
    for organisation in (MUSTER, BEISPIEL):
        await _bind(customers, "kunde", organisation, Level.PROVEN)
    await _bind(customers, "andere", MUSTER, Level.PROVEN)
    async with customers.transaction() as session:
        await session.customers.unbind("fake", "kunde", MUSTER.id)
    assert await _standings(customers, "kunde") == [("Beispiel AG", Level.PROVEN)]
    async with customers.transaction() as session:
        await session.customers.unbind("fake", "kunde")
    assert await _standings(customers, "kunde") == []
    assert await _standings(customers, "andere") == [("Muster Maschinenbau GmbH", Level.PROVEN)]


async def test_ids_and_names_that_cannot_be_stored_do_not_keep_anybody_from_being_known(customers: Store) -> None:
    async with customers.transaction() as session:
        await session.customers.bind(
            "fake", "a\x00\ud800", MUSTER.id, Level.PROVEN, START, person="\x00" * 300, how="test"
        )
        await session.customers.invite(MUSTER.id, START, email="a\x00@b", person="\ud800" * 300)
    assert len(await _standings(customers, "a\x00\ud800")) == 1


# --- invitations --------------------------------------------------------------------------------------


async def test_an_invitation_proves_its_organisation_once(customers: Store) -> None:
    async with customers.transaction() as session:
        token = await session.customers.invite(MUSTER.id, START, email="p.klein@muster.example", person="Petra Klein")
    assert len(token) <= 64
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
    async with customers.transaction() as session:
        assert await session.customers.redeem(token, START + timedelta(days=13)) == MUSTER
    async with customers.transaction() as session:
        assert await session.customers.redeem(token, START + timedelta(days=13)) is None


async def test_an_invitation_that_is_too_old_or_forged_proves_nothing(customers: Store) -> None:
    async with customers.transaction() as session:
        token = await session.customers.invite(MUSTER.id, START, lasts=timedelta(days=1))
    for tried in (token, token[:-1], token + "A", "", "\ud800\x00", "x" * 100_000):
        async with customers.transaction() as session:
            assert await session.customers.redeem(tried, START + timedelta(days=1)) is None
    async with customers.transaction() as session:
        assert await session.customers.redeem(token, START) == MUSTER


async def test_only_the_hash_of_an_invitation_is_kept(customers: Store) -> None:
    async with customers.transaction() as session:
        token = await session.customers.invite(MUSTER.id, START)
        (row,) = await session.connection.execute(select(tables.invitation))
    assert token not in str(row)


async def test_of_many_who_use_an_invitation_at_the_same_time_one_gets_in(
    customers: Store, database: TestDatabase
) -> None:
    async with customers.transaction() as session:
        token = await session.customers.invite(MUSTER.id, START)
    other = database.store()

    async def redeem(store: Store) -> Organisation | None:
        async with store.transaction() as session:
            return await session.customers.redeem(token, START)

    found = await asyncio.gather(*(redeem(store) for store in (customers, other) * 3))
    assert [organisation for organisation in found if organisation is not None] == [MUSTER]


# --- codes --------------------------------------------------------------------------------------------


async def _issue(
    store: Store, user: str = "kunde", organisation: Organisation = MUSTER, *, after: int = 0
) -> str | None:
    async with store.transaction() as session:
        return await session.customers.issue_code("fake", user, organisation.id, START + timedelta(minutes=after))


async def _check(store: Store, code: str, user: str = "kunde", *, after: int = 0) -> Organisation | None:
    async with store.transaction() as session:
        return await session.customers.check_code("fake", user, code, START + timedelta(minutes=after))


def _wrong(*codes: str | None) -> str:
    return next(code for n in range(10) if (code := f"{n}" * 6) not in codes)


async def test_a_code_proves_its_organisation_once_and_only_to_who_asked(customers: Store) -> None:
    code = await _issue(customers)
    assert code is not None
    assert len(code) == 6
    assert code.isdecimal()
    assert await _check(customers, code, "andere") is None
    assert await _check(customers, f" {code[:3]} {code[3:]} ", after=14) == MUSTER
    assert await _check(customers, code, after=14) is None


async def test_a_code_is_of_no_use_after_a_quarter_of_an_hour(customers: Store) -> None:
    code = await _issue(customers)
    assert code is not None
    assert timedelta(minutes=15) == CODE_LASTS
    assert await _check(customers, code, after=15) is None


async def test_whoever_asks_for_two_codes_may_use_either(customers: Store) -> None:
    first, second = await _issue(customers), await _issue(customers, organisation=BEISPIEL, after=1)
    assert first is not None
    assert second is not None
    assert await _check(customers, second, after=2) == BEISPIEL
    assert await _check(customers, first, after=2) == MUSTER


async def test_guessing_ends_after_five_wrong_tries_even_with_the_right_code(customers: Store) -> None:
    code = await _issue(customers)
    assert code is not None
    for _ in range(WRONG_TRIES):
        assert await _check(customers, _wrong(code)) is None
    assert await _check(customers, code) is None


async def test_words_that_are_no_code_are_not_a_guess(customers: Store) -> None:
    code = await _issue(customers)
    assert code is not None
    for words in ("geht nicht", "", "12345", "1234567", "١٢٣٤٥٦", "\ud800", "1" * 100_000) * 2:
        assert await _check(customers, words) is None
    assert await _check(customers, code) == MUSTER


async def test_many_guesses_at_the_same_time_are_still_only_five(customers: Store, database: TestDatabase) -> None:
    code = await _issue(customers)
    assert code is not None
    other = database.store()
    await asyncio.gather(*(_check(store, _wrong(code)) for store in (customers, other) * 4))
    async with customers.snapshot() as session:
        (row,) = await session.connection.execute(select(tables.code))
    assert row.wrong == WRONG_TRIES
    assert await _check(customers, code) is None


async def test_a_person_gets_three_codes_an_hour_for_whatever_organisation(customers: Store) -> None:
    codes = [await _issue(customers, organisation=o, after=n) for n, o in enumerate((MUSTER, BEISPIEL, MUSTER))]
    assert None not in codes
    assert await _issue(customers, organisation=BEISPIEL, after=59) is None
    assert await _issue(customers, "andere", after=59) is not None
    assert await _issue(customers, organisation=BEISPIEL, after=60) is not None


async def test_strangers_cannot_flood_an_organisation_with_mail(customers: Store) -> None:
    assert all([await _issue(customers, f"u{n}") for n in range(CODES_AN_HOUR)])
    assert await _issue(customers, "u99") is None
    assert await _issue(customers, "u99", BEISPIEL) is not None


async def test_colleagues_who_prove_themselves_do_not_use_up_the_hour_of_the_next(customers: Store) -> None:
    for n in range(CODES_AN_HOUR + 2):
        code = await _issue(customers, f"u{n}")
        assert code is not None
        assert await _check(customers, code, f"u{n}") == MUSTER


async def test_asking_many_times_at_once_gives_no_more_codes(customers: Store, database: TestDatabase) -> None:
    other = database.store()
    codes = await asyncio.gather(
        *(_issue(store, organisation=o) for store in (customers, other) for o in (MUSTER, BEISPIEL) * 2)
    )
    assert len([code for code in codes if code]) == CODES_AN_HOUR


async def test_a_code_cannot_be_read_from_the_database(customers: Store) -> None:
    code = await _issue(customers)
    async with customers.snapshot() as session:
        (row,) = await session.connection.execute(select(tables.code))
    assert code is not None
    assert not any(code == str(value) for value in row)
    assert len(row.code_hash) == 128


async def test_what_is_left_of_codes_is_gone_a_day_later(customers: Store) -> None:
    await _issue(customers)
    await _issue(customers, after=60)
    await _issue(customers, "andere", after=24 * 60)
    async with customers.snapshot() as session:
        left = [row.created_at - START for row in await session.connection.execute(select(tables.code))]
    assert left == [timedelta(hours=1), timedelta(hours=24)]
