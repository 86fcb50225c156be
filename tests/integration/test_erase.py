"""Erasing people: nothing of them is left in the database or among the files, and nothing of anybody else is touched."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from sqlalchemy import JSON, String, select

from bot.agreement.customers import Level, Organisation
from bot.catalogue.catalogue import Catalogue
from bot.desk.customers import CustomerError
from bot.desk.erase import erase_customer, erase_person
from bot.desk.lanes import waiting
from bot.desk.staff import Desk as StaffDesk
from bot.errors import FilesError
from bot.model import Attachment, ChatRef, InboundMessage, Person
from bot.storage import tables
from bot.storage.attachments import Filed
from bot.storage.consents import ConsentRecord
from bot.storage.files import Folder
from bot.storage.store import Store
from tests.fakes import START, FakeAdapter, a_message, by_name
from tests.integration.desk import Desk, a_desk
from tests.integration.test_file_folder import pieces

KIM = Person("kim", "Kim Berger")

KEPT: Mapping[str, str] = {
    **dict.fromkeys(
        ("organisation.*", "contract.*", "incident.*"),
        "of the company or of us, not of a person (contacts and address go)",
    ),
    "consent.*": "the proof of what was allowed",
    "channel.*": "goes with the customer",
    "code.*": "goes with the person",
    "identity.*": "goes with the person",
    "invitation.*": "goes with the customer",
    "staff.*": "who of the staff it is",
    "staff_message.name": "who of the staff it was",
    "staff_message.identity": "the id of a message in the staff's own chat",
    "thread.*": "goes with the ticket",
    "lane.name": "goes with the letters",
    "timer.key": "our own key, and the row goes",
    "timer.kind": "a word of ours",
    "timer.conversation_id": "our own key",
}
"""What is not blanked in a row that stays, with the reason."""

OURS = {
    *("id", "conversation_id", "correlation", "key", "state", "kind", "adapter", "mode", "language", "organisation"),
    *("level", "category", "topic", "priority", "reason", "author", "danger", "found", "hash", "became"),
    *("owner", "assignee", "assignee_id", "released_by", "actor", "staff"),
}
"""Columns that hold words of ours, keys of ours, or who of the staff it was."""

BLANKED = {
    *("conversation.chat_id", "conversation.thread_id", "conversation.pending", "conversation.last_text"),
    *("inbox.identity", "inbox.message", "inbox.error"),
    *("outbox.lane", "outbox.chat", "outbox.text", "outbox.payload", "outbox.platform_id", "outbox.error"),
    *("ticket.subject", "ticket.facts", "ticket.person", "ticket.progress", "ticket.rating_words"),
    *("staff_message.text", "staff_message.chat", "staff_message.message_id"),
    *("affected.text", "event.data"),
    *("attachment.person", "attachment.name", "attachment.told", "attachment.ref", "attachment.error"),
}


def test_of_every_column_somebody_has_decided_whether_it_is_erased() -> None:
    """Whoever adds a column for words adds it to bot/storage/erasure.py, or says here why it may stay."""
    undecided = [
        f"{table.name}.{column.name}"
        for table in tables.metadata.sorted_tables
        for column in table.columns
        if isinstance(column.type, String | JSON)
        and column.name not in OURS
        and not {f"{table.name}.{column.name}", f"{table.name}.*"} & {*BLANKED, *KEPT}
    ]
    assert undecided == []


class Scene:
    def __init__(self, desk: Desk, files: Folder, root: Path, staff: StaffDesk) -> None:
        self.desk, self.files, self.root, self.staff = desk, files, root, staff

    async def wrote(self, sender: str, text: str, *, chat: str, file: bytes | None = None) -> InboundMessage:
        attachments = (Attachment(f"{sender}.log", "text/plain", 3, f"ref-{sender}"),) if file else ()
        message = a_message(text, sender=sender, chat=chat, attachments=attachments)
        await self.desk.receive(message)
        await self.desk.handle_all()
        if file:
            await self._stored(file)
        return message

    async def _stored(self, content: bytes) -> None:
        for filed in await self.all_files():
            if filed.state == "expected":
                key = await self.files.put(filed.conversation_id, pieces(content))
                async with self.desk.store.transaction() as session:
                    await session.attachments.settle(
                        filed, "stored", START, size=len(content), hash=key.rpartition("/")[2]
                    )

    async def all_files(self) -> list[Filed]:
        async with self.desk.store.snapshot() as session:
            ids = await session.connection.execute(select(tables.attachment.c.id))
            return [filed for n in ids.scalars() if (filed := await session.attachments.get(n)) is not None]

    def bytes_kept(self) -> list[bytes]:
        return sorted(path.read_bytes() for path in self.root.rglob("*") if path.is_file())

    async def everything(self) -> str:
        """All that the database holds, but for what must be kept."""
        held = []
        async with self.desk.store.snapshot() as session:
            for table in tables.metadata.sorted_tables:
                if table.name not in ("consent", "organisation"):
                    rows = await session.connection.execute(select(table))
                    held += [dict(row._mapping) for row in rows]
        return json.dumps(held, default=str, ensure_ascii=False)


@pytest.fixture
async def scene(store: Store, catalogue: Catalogue, tmp_path: Path) -> AsyncIterator[Scene]:
    adapter = FakeAdapter()
    async with a_desk(store, catalogue, adapter=adapter) as desk:
        staff = StaffDesk(store, desk.engine, by_name(adapter), lambda: catalogue, desk.clock, "de")
        yield Scene(desk, Folder(tmp_path / "files"), tmp_path / "files", staff)


async def _erase(scene: Scene, who: str) -> None:
    await erase_person(scene.desk.store, scene.files, "fake", who, START, actor="cli")


async def test_nothing_of_a_person_is_left_but_that_something_was(scene: Scene) -> None:
    await scene.wrote("ysabel-4711", "Mein Drucker Moabit kaputt", chat="chat-of-ysabel", file=b"log of ysabel")
    [ticket] = await scene.desk.tickets()
    await scene.staff.reply(ticket.number, KIM, "Liebe Ysabel, ich sehe nach.")
    await scene.staff.note(ticket.number, KIM, "Ysabel ist ungeduldig.")
    await scene.desk.deliver_all()
    await _erase(scene, "ysabel-4711")
    held = await scene.everything()
    for word in ("ysabel", "Ysabel", "Moabit", "Drucker"):
        assert word not in held
    assert scene.bytes_kept() == []
    assert [filed.state for filed in await scene.all_files()] == ["erased"]
    kinds = [e["kind"] for e in json.loads(held) if "actor" in e]
    assert {"turn", "ticket_opened", "staff_replied", "staff_noted", "erased"} <= set(kinds)
    assert "staff:kim" in held, "who of the staff did something stays on record"
    [closed] = await scene.desk.tickets()
    assert (closed.number, closed.state.value) == (ticket.number, "closed")


async def test_what_others_wrote_in_the_same_channel_stays(scene: Scene) -> None:
    await scene.wrote("ysabel-4711", "Mein Drucker Moabit kaputt", chat="channel", file=b"same log")
    await scene.wrote("bob", "Meiner in Pankow auch kaputt", chat="channel", file=b"same log")
    await scene.wrote("cleo", "Hallo aus Mitte", chat="elsewhere")
    await _erase(scene, "ysabel-4711")
    held = await scene.everything()
    assert "Moabit" not in held
    assert "ysabel-4711" not in held
    assert "Pankow" in held
    assert "Mitte" in held
    assert scene.bytes_kept() == [b"same log"], "the file of somebody else has the same content"
    await _erase(scene, "bob")
    assert scene.bytes_kept() == []


async def test_who_writes_again_is_somebody_new(scene: Scene) -> None:
    await scene.wrote("ysabel-4711", "Drucker kaputt", chat="chat-of-ysabel")
    await _erase(scene, "ysabel-4711")
    await scene.wrote("ysabel-4711", "Guten Tag", chat="chat-of-ysabel")
    conversations = {row.conversation_id for row in await scene.desk.inbox()}
    assert len(conversations) == 2
    assert [row.state for row in await scene.desk.inbox()] == ["handled", "handled"]


async def test_what_was_not_yet_answered_or_sent_is_neither(scene: Scene) -> None:
    await scene.wrote("ysabel-4711", "Drucker kaputt", chat="chat-of-ysabel")
    await scene.desk.receive(a_message("Und der Scanner auch", sender="ysabel-4711", chat="chat-of-ysabel"))
    await _erase(scene, "ysabel-4711")
    await scene.desk.handle_all()
    await scene.desk.deliver_all()
    assert scene.desk.adapter.sent == []
    assert "Scanner" not in await scene.everything()


async def test_a_file_that_is_still_under_way_is_not_kept_when_it_comes(scene: Scene) -> None:
    attachment = Attachment("ysabel.log", "text/plain", 3, "ref")
    await scene.desk.receive(a_message("Drucker", sender="ysabel-4711", chat="c", attachments=(attachment,)))
    [before] = await scene.all_files()
    await _erase(scene, "ysabel-4711")
    async with scene.desk.store.transaction() as session:
        assert not await session.attachments.settle(before, "stored", START, hash="0" * 64)
    assert [filed.state for filed in await scene.all_files()] == ["erased"]


async def test_bytes_that_could_not_be_removed_are_removed_later(scene: Scene) -> None:
    class Stuck(Folder):
        async def remove(self, key: str) -> None:
            raise FilesError

    await scene.wrote("ysabel-4711", "Drucker kaputt", chat="c", file=b"log of ysabel")
    with pytest.raises(FilesError):
        await erase_person(scene.desk.store, Stuck(scene.root), "fake", "ysabel-4711", START, actor="cli")
    assert "ysabel" not in await scene.everything()
    [filed] = await scene.all_files()
    assert ("fetch", str(filed.id)) in await waiting(scene.desk.store, START)


async def test_a_consent_is_kept_as_the_proof_that_it_is(scene: Scene) -> None:
    await scene.wrote("ysabel-4711", "Drucker kaputt", chat="c")
    [row] = await scene.desk.inbox()
    record = ConsentRecord(
        conversation_id=row.conversation_id,
        ticket=None,
        organisation=None,
        person=Person("ysabel-4711", "Ysabel"),
        purpose="third_party",
        product="maps",
        passed_on="the message",
        question="Darf das weitergegeben werden?",
        answer="Ja",
        condition=None,
        given=True,
        agreement="2026-11",
        at=START,
    )
    async with scene.desk.store.transaction() as session:
        await session.consents.add(record)
    await _erase(scene, "ysabel-4711")
    async with scene.desk.store.snapshot() as session:
        [kept] = (await session.connection.execute(select(tables.consent))).all()
    assert (kept.person, kept.answer, kept.given) == ("ysabel-4711", "Ja", 1)


async def test_whoever_is_unknown_cannot_be_erased_and_looking_changes_nothing(scene: Scene) -> None:
    await scene.wrote("ysabel-4711", "Drucker kaputt", chat="c", file=b"log")
    before = await scene.everything()
    found = await erase_person(scene.desk.store, scene.files, "fake", "ysabel-4711", START, actor="cli", dry_run=True)
    assert (found.messages, found.conversations, found.files) == (1, 1, 1)
    assert await scene.everything() == before
    for adapter, who in (("fake", "bob"), ("telegram", "ysabel-4711")):
        with pytest.raises(CustomerError, match="Nothing is known"):
            await erase_person(scene.desk.store, scene.files, adapter, who, START, actor="cli")


async def test_a_customer_is_erased_with_all_its_people_and_keeps_its_contract(scene: Scene) -> None:
    await scene.wrote("ysabel-4711", "Mein Drucker Moabit kaputt", chat="c1", file=b"log of ysabel")
    await scene.wrote("bob", "Hallo aus Mitte", chat="c2")
    organisation = Organisation(id="o1", number="10007", name="Muster GmbH", email="it@muster.example")
    async with scene.desk.store.transaction() as session:
        await session.customers.save_all([organisation], START)
        await session.customers.bind("fake", "ysabel-4711", "o1", Level.PROVEN, START, person="Ysabel", how="code")
        await session.customers.invite("o1", START, email="ysabel@muster.example", person="Ysabel")
        conversation = await session.conversations.find(ChatRef("fake", "c1"))
        assert conversation is not None
        await session.connection.execute(
            tables.conversation.update().where(tables.conversation.c.id == conversation.id).values(organisation="o1")
        )
    erased = await erase_customer(scene.desk.store, scene.files, "10007", START, actor="cli")
    assert (erased.messages, erased.conversations, erased.files, erased.known) == (1, 1, 1, 1)
    held = await scene.everything()
    for word in ("ysabel", "Ysabel", "Moabit"):
        assert word not in held
    assert "Mitte" in held
    async with scene.desk.store.snapshot() as session:
        kept = await session.customers.numbered("10007")
    assert kept is not None
    assert (kept.name, kept.email) == ("Muster GmbH", None)


async def test_thousands_of_messages_are_erased_at_once(scene: Scene) -> None:
    for number in range(1200):
        await scene.desk.receive(a_message(f"Nummer {number}", sender="ysabel-4711", chat=f"c{number % 700}"))
    await _erase(scene, "ysabel-4711")
    assert "Nummer" not in await scene.everything()
