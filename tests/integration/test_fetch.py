"""Files that come with messages: fetched beside the conversation, given up visibly, and never lost by a crash."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.catalogue.catalogue import Catalogue
from bot.desk.cards import alert_text, staff_card
from bot.desk.fetch import GIVE_UP_AFTER, Fetcher
from bot.desk.files import AttachmentError, FileDesk
from bot.desk.lanes import DELIVER, FETCH, waiting
from bot.desk.staff import Desk as StaffDesk
from bot.desk.view import view_of
from bot.errors import DeliveryError, FilesError
from bot.model import Attachment, InboundMessage, Mode, OutboundMessage, Part, Person, StaffAlert
from bot.ports import Files
from bot.storage.attachments import Filed
from bot.storage.files import Folder
from bot.storage.store import Store
from tests.fakes import FakeAdapter, a_message, by_name
from tests.integration.desk import Desk, a_desk

MEGABYTE = 1 << 20
KIM = Person("kim", "Kim Berger")
LOG = Attachment("fehler.log", "text/plain", 9, "ref-log")


class Platform(FakeAdapter):
    """Has files; ``faults`` are raised by the next downloads, each after half of the file."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {"ref-log": b"ERROR 17\n"}
        self.faults: list[Exception] = []
        self.fetched: list[str] = []
        self.sent_files: list[str] = []

    async def fetch(self, attachment: Attachment) -> AsyncGenerator[bytes, None]:
        self.fetched.append(attachment.ref)
        content = self.files[attachment.ref]
        yield content[: len(content) // 2]
        if self.faults:
            raise self.faults.pop(0)
        yield content[len(content) // 2 :]

    def render(self, message: OutboundMessage) -> list[Part]:
        self.sent_files += [file.name for file in message.attachments]
        return list(super().render(message))


class FullDisk:
    """A place for files that is full until there is room again."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.full = True

    async def put(self, folder: str, chunks: AsyncIterator[bytes]) -> str:
        if self.full:
            raise FilesError("Files cannot be kept: No space left on device")
        return await self._files.put(folder, chunks)

    def open(self, key: str) -> AsyncGenerator[bytes, None]:
        return self._files.open(key)

    async def remove(self, key: str) -> None:
        await self._files.remove(key)


@dataclass
class Scene:
    desk: Desk
    platform: Platform
    files: Folder
    fetch: Fetcher
    staff: StaffDesk
    file_desk: FileDesk
    lanes: list[str] = field(default_factory=list)

    async def receive(self, *attachments: Attachment, text: str = "Drucker kaputt", **more: str) -> InboundMessage:
        message = a_message(text, attachments=attachments, **more)
        await self.desk.receive(message)
        return message

    async def fetch_all(self, fetch: Fetcher | None = None) -> None:
        """Let the fetcher go on until it is done, moving the clock over every pause."""
        for _ in range(200):
            lanes = await self._waiting(FETCH)
            if not lanes:
                return
            for lane in lanes:
                while (delay := await (fetch or self.fetch)(lane)) is not None:
                    self.desk.clock.advance(delay)
        raise AssertionError("the fetcher never comes to an end")

    async def _waiting(self, kind: str) -> list[str]:
        return [lane for found, lane in await waiting(self.desk.store, self.desk.clock()) if found == kind]

    async def all(self) -> list[Filed]:
        async with self.desk.store.snapshot() as session:
            rows = await session.attachments._read(True)  # type: ignore[arg-type]
        return list(rows)

    async def content(self, filed: Filed) -> bytes:
        assert filed.key is not None
        return b"".join([piece async for piece in self.files.open(filed.key)])

    async def events(self) -> list[str]:
        return [event.kind for event in await self.desk.events((await self.all())[0].conversation_id)]

    async def said(self) -> list[str]:
        return [letter.text for letter in await self.desk.letters()]


@pytest.fixture
async def scene(store: Store, catalogue: Catalogue, tmp_path: Path) -> AsyncIterator[Scene]:
    platform, files = Platform(), Folder(tmp_path / "files")
    async with a_desk(store, catalogue, adapter=platform) as desk:
        fetch = Fetcher(
            store=store,
            engine=desk.engine,
            adapters=by_name(platform),
            files=files,
            catalogue=lambda: catalogue,
            clock=desk.clock,
            most=MEGABYTE,
            default_language="de",
            jitter=random.Random(1),
        )
        staff = StaffDesk(store, desk.engine, by_name(platform), lambda: catalogue, desk.clock, "de")
        yield Scene(desk, platform, files, fetch, staff, FileDesk(store, files, desk.clock, MEGABYTE))


# --- in -------------------------------------------------------------------------------------------------


async def test_a_file_is_fetched_after_its_message_has_been_accepted_and_goes_with_the_ticket(scene: Scene) -> None:
    await scene.receive(LOG)
    [expected] = await scene.all()
    assert (expected.state, scene.platform.fetched) == ("expected", [])
    assert (FETCH, str(expected.id)) in scene.desk.engine.woken
    await scene.desk.handle_all()
    await scene.fetch_all()
    [stored] = await scene.all()
    [ticket] = await scene.desk.tickets()
    assert (stored.state, stored.ticket, stored.size, stored.found) == ("stored", ticket.number, 9, "text/plain")
    assert await scene.content(stored) == b"ERROR 17\n"
    assert "file_stored" in await scene.events()


async def test_a_file_that_does_not_come_never_holds_up_the_conversation(scene: Scene) -> None:
    scene.platform.faults = [DeliveryError("away")] * 3
    await scene.receive(LOG)
    [lane] = [lane for kind, lane in scene.desk.engine.woken if kind == FETCH]
    assert await scene.fetch(lane) is not None
    await scene.desk.handle_all()
    assert len(await scene.desk.letters()) == 1


async def test_a_message_delivered_twice_brings_its_file_once(scene: Scene) -> None:
    message = await scene.receive(LOG)
    await scene.desk.receive(replace(message, delivery_id="again"))
    assert len(await scene.all()) == 1


async def test_the_new_version_of_a_message_does_not_bring_its_files_again(scene: Scene) -> None:
    first = await scene.receive(LOG)
    await scene.desk.receive(replace(first, message_id="m-edit", text="Drucker ganz kaputt", edit_of=first.message_id))
    assert len(await scene.all()) == 1


async def test_an_album_is_one_turn_with_all_its_files_in_order(scene: Scene) -> None:
    for number in range(3):
        scene.platform.files[f"p{number}"] = bytes([number + 1])
        text = "Drucker kaputt" if number == 0 else ""
        await scene.receive(Attachment(f"{number}.jpg", "image/jpeg", 1, f"p{number}"), text=text)
    await scene.desk.handle_all()
    await scene.fetch_all()
    [ticket] = await scene.desk.tickets()
    filed = await scene.all()
    assert [(f.name, f.ticket) for f in filed] == [(f"{n}.jpg", ticket.number) for n in range(3)]
    assert len(await scene.desk.letters()) == 1


async def test_nobody_sees_the_name_that_a_file_was_sent_under(scene: Scene) -> None:
    await scene.receive(Attachment("../../x/rechnung\u202efdp.exe", "application/pdf", 9, "ref-log"))
    await scene.desk.handle_all()
    await scene.fetch_all()
    [filed] = await scene.all()
    [ticket] = await scene.desk.tickets()
    assert filed.name == ticket.facts["attachments"] == "rechnungfdp.exe"
    assert filed.danger == "executable"


# --- what goes wrong ---------------------------------------------------------------------------------


async def test_what_fails_for_a_while_is_tried_until_it_comes(scene: Scene) -> None:
    scene.platform.faults = [DeliveryError("away")] * 6
    await scene.receive(LOG)
    await scene.fetch_all()
    [filed] = await scene.all()
    assert (filed.state, filed.attempts, filed.error) == ("stored", 7, None)


async def test_a_platform_that_asks_to_wait_is_waited_for(scene: Scene) -> None:
    scene.platform.faults = [DeliveryError("flood", retry_after=timedelta(seconds=77))]
    await scene.receive(LOG)
    [filed] = await scene.all()
    assert await scene.fetch(str(filed.id)) == timedelta(seconds=77)
    assert await scene.fetch(str(filed.id)) == timedelta(seconds=77), "woken early, it still waits"
    assert scene.platform.fetched == ["ref-log"]
    assert await scene._waiting(FETCH) == []


@pytest.mark.parametrize("permanent", [True, False], ids=["for-good", "for-a-day"])
async def test_what_never_comes_is_given_up_and_customer_and_staff_hear_of_it(scene: Scene, permanent: bool) -> None:
    scene.platform.faults = [DeliveryError("gone", permanent=permanent)] * 500
    await scene.receive(LOG)
    await scene.desk.handle_all()
    begun = scene.desk.clock()
    await scene.fetch_all()
    [filed] = await scene.all()
    assert (filed.state, filed.error) == ("failed", "gone")
    assert (scene.desk.clock() - begun > GIVE_UP_AFTER) is not permanent
    assert "file_failed" in await scene.events()
    assert [text for text in await scene.said() if "fehler.log" in text and "konnte ich leider nicht" in text]


async def test_what_is_too_large_is_refused_before_it_is_fetched_and_the_customer_hears_the_limit(scene: Scene) -> None:
    await scene.receive(replace(LOG, size=MEGABYTE + 1))
    await scene.fetch_all()
    [filed] = await scene.all()
    assert (filed.state, scene.platform.fetched) == ("refused", [])
    assert [text for text in await scene.said() if "größer als 1 MB" in text]


async def test_who_understates_the_size_is_refused_all_the_same(scene: Scene, tmp_path: Path) -> None:
    scene.platform.files["ref-log"] = bytes(MEGABYTE + 1)
    await scene.receive(replace(LOG, size=9))
    await scene.fetch_all()
    [filed] = await scene.all()
    assert filed.state == "refused"
    assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file()]


async def test_an_empty_file_is_refused(scene: Scene) -> None:
    scene.platform.files["ref-log"] = b""
    await scene.receive(LOG)
    await scene.fetch_all()
    assert [filed.state for filed in await scene.all()] == ["refused"]


async def test_while_a_person_has_the_word_the_bot_does_not_complain_about_files(scene: Scene) -> None:
    conversation = await scene.desk.conversation_of(a_message("Hallo"))
    await scene.desk.set_mode(conversation, Mode.HUMAN)
    await scene.receive(replace(LOG, size=MEGABYTE + 1))
    await scene.fetch_all()
    assert [filed.state for filed in await scene.all()] == ["refused"]
    assert await scene.said() == []


async def test_a_full_disk_is_waited_out(scene: Scene) -> None:
    disk = FullDisk(scene.files)
    fetch = replace(scene.fetch, files=disk)
    await scene.receive(LOG)
    [filed] = await scene.all()
    assert await fetch(str(filed.id)) is not None
    [put_off] = await scene.all()
    assert (put_off.state, put_off.error) == ("expected", "Files cannot be kept: No space left on device")
    disk.full = False
    scene.desk.clock.advance(timedelta(hours=1))
    await scene.fetch_all(fetch)
    assert [filed.state for filed in await scene.all()] == ["stored"]


async def test_what_an_adapter_without_files_is_asked_for_is_given_up(scene: Scene) -> None:
    fetch = replace(scene.fetch, adapters=by_name(FakeAdapter()))
    await scene.receive(LOG)
    await scene.fetch_all(fetch)
    assert [filed.state for filed in await scene.all()] == ["failed"]


async def test_a_crash_between_keeping_and_marking_costs_only_a_second_download(scene: Scene, tmp_path: Path) -> None:
    class Crash(BaseException):
        pass

    class Crashing(FullDisk):
        async def put(self, folder: str, chunks: AsyncIterator[bytes]) -> str:
            await self._files.put(folder, chunks)
            raise Crash

    await scene.receive(LOG)
    [filed] = await scene.all()
    with pytest.raises(Crash):
        await replace(scene.fetch, files=Crashing(scene.files))(str(filed.id))
    assert [filed.state for filed in await scene.all()] == ["expected"]
    await scene.fetch_all()
    [stored] = await scene.all()
    assert await scene.content(stored) == b"ERROR 17\n"
    assert len([path for path in (tmp_path / "files").rglob("*") if path.is_file()]) == 1


# --- out ------------------------------------------------------------------------------------------------


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _ticket(scene: Scene, **more: str) -> int:
    await scene.receive(LOG, **more)
    await scene.desk.handle_all()
    await scene.fetch_all()
    return (await scene.desk.tickets())[-1].number


async def test_staff_send_files_of_their_own_and_the_customers_with_their_words(scene: Scene) -> None:
    number = await _ticket(scene)
    [theirs] = await scene.all()
    own = await scene.file_desk.add(number, KIM, "../anleitung.pdf", "application/pdf", _pieces(b"%PDF-1.7 ..."))
    await scene.staff.reply(number, KIM, "So geht es.", [own, theirs.id])
    assert scene.platform.sent_files == ["anleitung.pdf", "fehler.log"]
    assert "So geht es.\n[anleitung.pdf]\n[fehler.log]" in await scene.said()
    kinds = await scene.events()
    assert kinds.index("file_added") < kinds.index("staff_replied")


async def test_a_dangerous_file_is_kept_and_passed_on_only_when_a_person_has_said_so(scene: Scene) -> None:
    scene.platform.files["ref-log"] = b"MZ\x90\x00 ..."
    number = await _ticket(scene)
    [filed] = await scene.all()
    assert (filed.state, filed.danger) == ("stored", "executable")
    with pytest.raises(AttachmentError, match="must be released first"):
        await scene.staff.reply(number, KIM, "Zurück.", [filed.id])
    assert scene.platform.sent_files == []
    await scene.file_desk.release(filed.id, KIM)
    await scene.staff.reply(number, KIM, "Zurück.", [filed.id])
    assert scene.platform.sent_files == ["fehler.log"]
    assert (await scene.events()).count("file_released") == 1


async def test_a_file_of_one_customer_never_goes_to_another(scene: Scene) -> None:
    await _ticket(scene)
    [foreign] = await scene.all()
    number = await _ticket(scene, chat="c2")
    with pytest.raises(AttachmentError, match="does not belong"):
        await scene.staff.reply(number, KIM, "Bitte sehr.", [foreign.id])
    assert scene.platform.sent_files == []


async def test_a_file_that_is_not_here_yet_is_not_promised(scene: Scene) -> None:
    await scene.receive(LOG)
    await scene.desk.handle_all()
    [filed] = await scene.all()
    [ticket] = await scene.desk.tickets()
    with pytest.raises(AttachmentError, match="expected"):
        await scene.staff.reply(ticket.number, KIM, "Bitte sehr.", [filed.id])


async def test_a_file_that_has_vanished_before_it_is_sent_is_a_failed_send_that_staff_see(
    scene: Scene, store: Store
) -> None:
    number = await _ticket(scene)
    [filed] = await scene.all()
    await scene.staff.reply(number, KIM, "Bitte sehr.", [filed.id])
    await scene.files.remove(str(filed.key))

    async def read() -> None:
        _ = [piece async for piece in scene.files.open(str(filed.key))]

    letters = [letter for letter in await scene.desk.letters("pending") if "Bitte sehr." in letter.text]
    assert len(letters) == 1
    scene.platform.behaviour.extend([None] * (len(await scene.desk.letters("pending")) - 1) + [read])
    await scene.desk.deliver_all()
    [dead] = await scene.desk.letters("dead")
    assert "is gone" in str(dead.error)
    assert "send_failed" in await scene.events()
    assert not [lane for kind, lane in await waiting(store, scene.desk.clock()) if kind == DELIVER]


# --- whose ticket ---------------------------------------------------------------------------------------


async def test_a_file_that_came_before_its_ticket_belongs_to_it_too(scene: Scene) -> None:
    await scene.receive(LOG, text="Hallo")
    await scene.desk.handle_all()
    [early] = await scene.all()
    number = early.ticket or await scene.staff.open(early.conversation_id, KIM)
    assert [filed.ticket for filed in await scene.all()] == [number]


async def test_in_a_shared_channel_nobodys_file_goes_with_the_ticket_of_another(scene: Scene) -> None:
    scene.platform.files["ref-bob"] = b"log of bob"
    await scene.receive(Attachment("bob.log", "text/plain", 10, "ref-bob"), text="Hallo", sender="bob")
    await scene.desk.handle_all()
    before = {filed.name: filed.ticket for filed in await scene.all()}
    await scene.receive(LOG, sender="ada")
    await scene.desk.handle_all()
    tickets = {filed.name: filed.ticket for filed in await scene.all()}
    assert tickets["fehler.log"] is not None
    assert tickets["bob.log"] == before["bob.log"] != tickets["fehler.log"]


# --- what staff see -------------------------------------------------------------------------------------


async def _card(scene: Scene, number: int, catalogue: Catalogue) -> str:
    async with scene.desk.store.snapshot() as session:
        view = await view_of(session, number, scene.desk.clock())
    return {field.label: field.value for field in staff_card(view, catalogue, "de").fields}["Dateien"]


async def test_the_card_of_a_ticket_says_of_each_file_what_has_to_be_known(scene: Scene, catalogue: Catalogue) -> None:
    scene.platform.files |= {"ref-exe": b"MZ\x90\x00", "ref-big": b"x"}
    await scene.receive(
        LOG,
        Attachment("setup.exe", "application/octet-stream", 4, "ref-exe"),
        Attachment("film.mp4", "video/mp4", 2 * MEGABYTE, "ref-big"),
    )
    await scene.desk.handle_all()
    [ticket] = await scene.desk.tickets()
    assert (await _card(scene, ticket.number, catalogue)).count("wird noch geholt") == 3
    await scene.fetch_all()
    assert await _card(scene, ticket.number, catalogue) == (
        "fehler.log [1], setup.exe [2] (Vorsicht: ausführbares Programm), "
        "film.mp4 [3] (nicht angenommen: zu groß oder leer)"
    )
    await scene.file_desk.release(2, KIM)
    assert "setup.exe [2] (Vorsicht: ausführbares Programm, freigegeben)" in await _card(
        scene, ticket.number, catalogue
    )


async def test_staff_are_alerted_to_a_file_that_could_not_be_had(scene: Scene, catalogue: Catalogue) -> None:
    await scene.receive(LOG)
    await scene.desk.handle_all()
    scene.platform.faults = [DeliveryError("gone", permanent=True)]
    await scene.fetch_all()
    [ticket] = await scene.desk.tickets()
    alerts = [e.data for e in await scene.desk.events(ticket.conversation_id) if e.kind == "staff_alert"]
    [alert] = [data for data in alerts if data["key"] == "file_missing"]
    assert alert["text"] == "fehler.log"
    text = alert_text(StaffAlert("file_missing", ticket.number, text="fehler.log"), catalogue, "de")
    assert ticket.key in text
    assert "fehler.log" in text


# --- what people put back ------------------------------------------------------------------------------


async def test_a_file_that_was_given_up_is_fetched_anew_when_people_put_it_back(scene: Scene) -> None:
    scene.platform.faults.append(DeliveryError("gone", permanent=True))
    await scene.receive(LOG)
    await scene.fetch_all()
    (dead,) = await scene.desk.dead.all()
    assert (dead.number, dead.state, dead.text, dead.reason) == ("file-1", "failed", "fehler.log", "gone")
    scene.desk.clock.advance(2 * GIVE_UP_AFTER)
    scene.platform.faults.append(DeliveryError("503"))
    await scene.desk.dead.retry("file-1", actor="cli")
    await scene.fetch_all()
    (filed,) = await scene.all()
    assert (filed.state, filed.attempts) == ("stored", 2)
    assert await scene.desk.dead.all() == ()


async def test_a_file_that_was_put_back_and_fails_again_is_not_told_to_the_customer_a_second_time(scene: Scene) -> None:
    scene.platform.faults += [DeliveryError("gone", permanent=True)] * 2
    await scene.receive(LOG)
    await scene.fetch_all()
    said = await scene.said()
    await scene.desk.dead.retry("file-1", actor="cli")
    await scene.fetch_all()
    assert [dead.number for dead in await scene.desk.dead.all()] == ["file-1"]
    assert await scene.said() == said
    await scene.desk.dead.drop("file-1", actor="cli")
    assert await scene.desk.dead.all() == ()
