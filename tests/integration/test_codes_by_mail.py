"""A code on its way: from the customer's turn through the outbox to the organisation's mailbox, and no trace of it afterwards."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from adapters.mail import MailAdapter
from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.config import Settings
from bot.delivery import Delivery
from bot.desk.customers import send_code
from bot.desk.lanes import DELIVER
from bot.desk.letters import LetterError, Letters
from bot.errors import DeliveryError, SettingsError
from bot.model import Author, ChatRef, Language, Mode, Part, Person
from bot.ports import ChatAdapter
from bot.storage import tables
from bot.storage.customers import CODE_LASTS, CODES_AN_HOUR
from bot.storage.outbox import Draft
from bot.storage.store import Store
from tests.fakes import START, FakeAdapter, FakeClassifier, FakeClock, WakeLog
from tests.integration.test_customers import MUSTER
from tests.loopback.smtp import LoopbackSmtp, trusting

LANE = "mail:it@muster.example"
KUNDE = Person("kunde", "Klick hier http://boese.example")


@dataclass
class Post:
    """A desk that mails, around one database."""

    store: Store
    catalogue: Catalogue
    adapters: dict[str, ChatAdapter]
    clock: FakeClock
    engine: WakeLog
    deliver: Delivery
    conversation_id: str = ""

    async def ask(self, *, organisation: object = MUSTER, who: Person = KUNDE, language: Language = "de") -> bool:
        """The customer asks for a code, as a turn does it."""
        assert isinstance(organisation, type(MUSTER))
        async with self.store.transaction() as session:
            self.conversation_id, _ = await session.conversations.next_seq(ChatRef("fake", who.id), self.clock())
            return await send_code(
                session,
                self.engine,
                self.adapters,
                self.catalogue,
                await session.conversations.get(self.conversation_id),
                organisation,
                who,
                language=language,
                correlation="c",
                now=self.clock(),
            )

    async def everything(self) -> str:
        """All that the database holds, as text."""
        async with self.store.snapshot() as session:
            rows = [
                str(tuple(row))
                for table in tables.metadata.sorted_tables
                for row in await session.connection.execute(select(table))
            ]
        return "\n".join(rows)

    async def state(self) -> str:
        async with self.store.snapshot() as session:
            rows = await session.connection.execute(select(tables.outbox.c.state, tables.outbox.c.payload))
            states = [(row.state, dict(row.payload)) for row in rows]
        settled = [state for state, payload in states if not payload]
        assert len(settled) == len([state for state, _ in states if state not in ("pending", "sending")])
        return ", ".join(state for state, _ in states)


@asynccontextmanager
async def _post(store: Store, catalogue: Catalogue, mail: ChatAdapter) -> AsyncIterator[Post]:
    async with store.transaction() as session:
        await session.customers.save(MUSTER, START)
    clock, adapters = FakeClock(), {"fake": FakeAdapter(), "mail": mail}
    delivery = Delivery(store, adapters, clock, random.Random(1))
    yield Post(store, catalogue, adapters, clock, WakeLog(), delivery)


@pytest.fixture
async def mail() -> FakeAdapter:
    return FakeAdapter("mail")


@pytest.fixture
async def post(store: Store, catalogue: Catalogue, mail: FakeAdapter) -> AsyncIterator[Post]:
    async with _post(store, catalogue, mail) as post:
        yield post


@pytest.mark.parametrize(("language", "words"), [("de", "Bestätigungscode"), ("en", "confirmation code")])
async def test_the_code_from_the_mailbox_proves_who_asked_for_it_and_nothing_of_it_is_left(
    store: Store, catalogue: Catalogue, language: Language, words: str
) -> None:
    async with LoopbackSmtp().serve() as server:
        adapter = MailAdapter("localhost", server.port, sender="helpdesk@nord.example", context=trusting())
        async with _post(store, catalogue, adapter) as post:
            assert await post.ask(language=language)
            assert post.engine.woken == [(DELIVER, LANE)]
            await post.deliver(LANE)
    (arrived,) = server.mails
    assert arrived.to == [MUSTER.email]
    text = arrived.content.get_content()
    assert words in arrived.content["Subject"]
    assert "Muster Maschinenbau GmbH" in text
    assert "10442" in text
    assert "boese" not in text
    (code,) = re.findall(r"^\d{6}(?=\r?$)", text, re.MULTILINE)
    assert await post.state() == "sent"
    assert code not in await post.everything()
    async with store.transaction() as session:
        assert await session.customers.check_code("fake", "kunde", code, post.clock()) == MUSTER


async def test_the_record_names_the_mail_but_never_the_code(post: Post, mail: FakeAdapter) -> None:
    mail.behaviour.append(DeliveryError("550 no such user", permanent=True))
    assert await post.ask()
    await post.deliver(LANE)
    assert await post.state() == "dead"
    letters = Letters(post.store, post.clock, lambda adapter: False)
    (letter,) = await letters.all()
    assert letter.text == "Dein Bestätigungscode für den Helpdesk"
    assert letter.chat == LANE
    with pytest.raises(LetterError, match="secret"):
        await letters.retry(letter.number, actor="cli")
    (tried,) = mail.tried
    (code,) = re.findall(r"\b\d{6}\b", tried)
    assert code not in await post.everything()
    async with post.store.snapshot() as session:
        events = await session.events.of_conversation(post.conversation_id)
    assert [event.kind for event in events] == ["code_sent", "send_failed"]


@pytest.mark.parametrize("faults", [1, 2])
async def test_a_mail_that_may_have_arrived_is_tried_once_more_and_forgotten(
    post: Post, mail: FakeAdapter, faults: int
) -> None:
    mail.behaviour.extend(DeliveryError("time-out", uncertain=True) for _ in range(faults))
    assert await post.ask()
    for _ in range(3):
        if delay := await post.deliver(LANE):
            post.clock.advance(delay)
    assert await post.state() == ("sent" if faults == 1 else "uncertain")


async def test_a_code_that_would_arrive_too_late_is_not_mailed_any_more(post: Post, mail: FakeAdapter) -> None:
    mail.behaviour.append(DeliveryError("451 grey-listed"))
    assert await post.ask()
    await post.deliver(LANE)
    post.clock.advance(CODE_LASTS)
    await post.deliver(LANE)
    assert mail.sent == []
    assert await post.state() == "dropped"


async def test_a_code_is_mailed_although_a_person_has_taken_over(post: Post, mail: FakeAdapter) -> None:
    assert await post.ask()
    async with post.store.transaction() as session:
        conversation = await session.conversations.get(post.conversation_id, lock=True)
        await session.conversations.save(replace(conversation, mode=Mode.HUMAN, owner="mira"), post.clock())
        await session.outbox.drop_bot(conversation.id, "a person has taken over")
    await post.deliver(LANE)
    assert await post.state() == "sent"


async def test_a_secret_of_the_bot_is_forgotten_when_a_person_takes_over(post: Post) -> None:
    assert await post.ask()
    place = ChatRef("fake", "c1")
    secret, plain = Part(place, {"text": "geheim"}), Part(place, {"text": "offen"})
    async with post.store.transaction() as session:
        await session.outbox.add(
            (
                Draft("a", post.conversation_id, Author.BOT, secret, "", "c", secret=True),
                Draft("b", post.conversation_id, Author.BOT, plain, "", "c"),
            ),
            START,
        )
        await session.outbox.drop_bot(post.conversation_id, "a person has taken over")
    everything = await post.everything()
    assert "geheim" not in everything
    assert "offen" in everything


async def test_without_an_address_or_a_mail_server_no_code_is_issued(post: Post) -> None:
    assert not await post.ask(organisation=replace(MUSTER, email=None))
    del post.adapters["mail"]
    assert not await post.ask()
    assert post.engine.woken == []
    async with post.store.snapshot() as session:
        assert (await session.connection.execute(select(tables.code))).all() == []


async def test_whoever_asks_too_often_is_told_so_and_nothing_is_mailed(post: Post) -> None:
    for _ in range(CODES_AN_HOUR):
        assert await post.ask()
    assert not await post.ask()
    assert await post.state() == ", ".join(["pending"] * CODES_AN_HOUR)
    post.clock.advance(timedelta(hours=1))
    assert await post.ask()


async def test_a_turn_that_is_undone_issues_no_code(post: Post) -> None:
    with pytest.raises(ZeroDivisionError):
        async with post.store.transaction() as session:
            conversation_id, _ = await session.conversations.next_seq(ChatRef("fake", "c1"), START)
            conversation = await session.conversations.get(conversation_id)
            await send_code(
                session, post.engine, post.adapters, post.catalogue, conversation, MUSTER, KUNDE,
                language="de", correlation="c", now=START,
            )  # fmt: skip
            raise ZeroDivisionError
    assert post.engine.woken == []
    assert await post.state() == ""


# --- joined -------------------------------------------------------------------------------------------


def _settings(folder: Path, **more: object) -> Settings:
    return Settings.model_validate({"data": folder, "smtp_host": "localhost", **more})


async def test_mail_is_joined_where_a_server_is_set_whatever_chats_are_run(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    settings = _settings(tmp_path, smtp_from="Helpdesk <helpdesk@nord.example>")
    async with build(settings, classifier=FakeClassifier(), catalogue=catalogue) as app:
        assert list(app.adapters) == ["mail"]
    async with build(Settings(data=tmp_path), classifier=FakeClassifier(), catalogue=catalogue) as app:
        assert list(app.adapters) == []


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({}, "FIRSTLINE_SMTP_FROM is not set"),
        ({"smtp_from": "helpdesk"}, "FIRSTLINE_SMTP_FROM: 'helpdesk' is not an e-mail address"),
        ({"smtp_from": "a@b.example", "smtp_security": "none", "smtp_password": "geheim"}, "travel readable"),
    ],
)
async def test_a_mail_server_that_is_set_wrongly_is_a_sentence_at_start(
    tmp_path: Path, catalogue: Catalogue, more: dict[str, object], says: str
) -> None:
    with pytest.raises(SettingsError, match=says) as caught:
        async with build(_settings(tmp_path, **more), classifier=FakeClassifier(), catalogue=catalogue):
            pass
    assert "geheim" not in str(caught.value)
