"""A backup of a bot at work is consistent, what is restored goes on, and an archive that is not what it was is refused whole."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import random
import sqlite3
import tarfile
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.bootstrap import build
from bot.catalogue.catalogue import Catalogue
from bot.cli import app
from bot.config import Settings
from bot.errors import DeliveryError, FirstlineError
from bot.model import Attachment
from bot.operations.archive import DATABASE, MANIFEST, ArchiveError
from bot.operations.backup import Place, back_up, restore
from bot.running import App
from bot.storage import copies, migrate
from bot.storage.database import Database
from bot.storage.store import Store
from tests.fakes import START, FakeAdapter, FakeClassifier, a_message
from tests.integration.desk import until
from tests.integration.test_fetch import LOG, Platform

Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], None]
LATER = START + timedelta(days=1)


def _place(folder: Path) -> Place:
    return Place(folder / "firstline.db", folder / "files")


@asynccontextmanager
async def _bot(folder: Path, adapter: FakeAdapter, catalogue: Catalogue) -> AsyncIterator[App]:
    settings = Settings(data=folder, burst_seconds=0)
    async with (
        build(settings, adapters=[adapter], classifier=FakeClassifier(), catalogue=catalogue) as bot,
        bot.working(),
    ):
        yield bot


@pytest.fixture
async def backed_up(tmp_path: Path, catalogue: Catalogue) -> Path:
    """The archive of a bot that has answered a message with a file and still runs."""
    async with _bot(tmp_path / "data", Platform(), catalogue) as bot:
        await bot.receiver(a_message("Der Drucker ist kaputt", message_id="m0", attachments=(LOG,)))
        await bot.engine.settled()
        archive = tmp_path / "backup.tar.gz"
        manifest = await to_thread(back_up, _place(tmp_path / "data"), archive, START)
        assert manifest.files == 1
    return archive


# --- the way back -------------------------------------------------------------------------------------


async def test_what_is_restored_goes_on_where_it_was(backed_up: Path, tmp_path: Path, catalogue: Catalogue) -> None:
    place = _place(tmp_path / "restored")
    manifest, following = await to_thread(restore, backed_up, place, LATER)
    assert (manifest.made_at, following) == (START, 1002)
    platform = Platform()
    async with _bot(tmp_path / "restored", platform, catalogue) as bot:
        await bot.receiver(a_message("Der Drucker ist kaputt", message_id="m0"))
        await bot.engine.settled()
        assert platform.sent == [], "it knows what it had answered"
        await bot.receiver(a_message("Der Drucker ist kaputt", chat="c2"))
        await bot.engine.settled()
        async with bot.store.snapshot() as session:
            first, second = await session.tickets.all()
            (filed,) = await session.attachments.of_ticket(first.number)
        assert (first.key, second.key) == ("HD-000001", "HD-001002")
        assert filed.key is not None
        assert place.files is not None
        assert (place.files / filed.key).read_bytes() == b"ERROR 17\n"


async def test_what_was_to_be_sent_is_asked_for_first_because_it_may_have_been_sent_since(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    class Askable(FakeAdapter):
        async def find(self, part: object) -> str | None:
            return "p1"

    adapter = FakeAdapter()
    adapter.behaviour.append(DeliveryError("429", retry_after=timedelta(hours=1)))
    async with _bot(tmp_path / "data", adapter, catalogue) as bot:
        await bot.receiver(a_message("Guten Tag"))
        await until(lambda: len(adapter.tried) == 1)
        await bot.engine.settled()
        await to_thread(back_up, _place(tmp_path / "data"), tmp_path / "a.tar.gz", START)
    await to_thread(restore, tmp_path / "a.tar.gz", _place(tmp_path / "restored"), LATER)
    database = Database(f"sqlite:///{tmp_path / 'restored' / 'firstline.db'}")
    async with Store(database).transaction() as session:
        await session.connection.exec_driver_sql("UPDATE outbox SET due_at = created_at")
        await session.connection.exec_driver_sql("DELETE FROM lane")
    await database.close()
    asked = Askable()
    async with _bot(tmp_path / "restored", asked, catalogue) as bot:
        async with asyncio.timeout(10):
            while True:
                async with bot.store.snapshot() as session:
                    if await session.outbox.in_state("sent"):
                        break
                await asyncio.sleep(0.01)
    assert asked.tried == []


async def test_an_older_schema_is_brought_up(tmp_path: Path) -> None:
    place = _place(tmp_path / "old")
    old = Database(f"sqlite:///{place.database}")
    await migrate.upgrade(old, "0003")
    await old.close()
    await to_thread(back_up, place, tmp_path / "a.tar.gz", START)
    await to_thread(restore, tmp_path / "a.tar.gz", _place(tmp_path / "new"), LATER)
    new = Database(f"sqlite:///{tmp_path / 'new' / 'firstline.db'}")
    await migrate.require_current(new)
    await new.close()


async def test_a_bot_that_was_killed_is_backed_up_with_all_that_it_had_committed(tmp_path: Path) -> None:
    """What SQLite has not yet moved out of its log belongs to the database."""
    path = tmp_path / "data" / "firstline.db"
    database = Database(f"sqlite:///{path}")
    await migrate.upgrade(database)
    async with Store(database).transaction() as session:
        await session.inbox.accept(a_message("Guten Tag"), START)
    killed = tmp_path / "killed"
    killed.mkdir()
    for file in path.parent.glob("firstline.db*"):
        if not file.name.endswith("-shm"):
            (killed / file.name).write_bytes(file.read_bytes())
    await database.close()
    await to_thread(back_up, _place(killed), tmp_path / "a.tar.gz", START)
    await to_thread(restore, tmp_path / "a.tar.gz", _place(tmp_path / "new"), LATER)
    with closing(sqlite3.connect(tmp_path / "new" / "firstline.db")) as connection:
        assert connection.execute("SELECT count(*) FROM inbox").fetchone() == (1,)


async def test_a_backup_while_messages_come_in_is_of_one_moment(tmp_path: Path, catalogue: Catalogue) -> None:
    """Whatever was committed together is in it together: a message that was handled with its event and its reply."""
    adapter = Platform()
    adapter.files = {f"ref-{n}": b"x" * n for n in range(1, 60)}
    stop, accepted = asyncio.Event(), list[str]()

    async def flood(bot: App) -> None:
        while not stop.is_set():
            n = len(accepted) + 1
            files = (Attachment(f"{n}.log", "text/plain", n, f"ref-{n}"),) if n in range(1, 60) else ()
            await bot.receiver(a_message("Guten Tag", chat=f"c{n % 7}", message_id=f"flood{n}", attachments=files))
            accepted.append(f"flood{n}")

    async with _bot(tmp_path / "data", adapter, catalogue) as bot:
        flooding = asyncio.create_task(flood(bot))
        manifests = []
        for n in range(5):
            await until(lambda n=n: len(accepted) >= 5 * (n + 1), within=60)  # type: ignore[misc]  # n is bound
            manifests.append(
                await to_thread(back_up, _place(tmp_path / "data"), tmp_path / f"{n}.tar.gz", START + n * timedelta(1))
            )
        stop.set()
        await flooding
    counts = []
    for n, manifest in enumerate(manifests):
        assert manifest.missing == ()
        place = _place(tmp_path / f"restored{n}")
        await to_thread(restore, tmp_path / f"{n}.tar.gz", place, LATER)
        with closing(sqlite3.connect(place.database)) as connection:
            handled = "SELECT id FROM inbox WHERE state = 'handled'"
            in_turns = "SELECT value FROM event, json_each(event.data, '$.messages') WHERE kind = 'turn'"
            assert sorted(connection.execute(handled)) == sorted(connection.execute(in_turns))
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            counts.append(connection.execute("SELECT count(*) FROM inbox").fetchone()[0])
    assert counts == sorted(counts)
    assert counts[0] < counts[-1], "messages did come in meanwhile"


async def test_a_file_that_is_gone_or_damaged_is_named_and_does_not_prevent_the_backup(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    async with _bot(tmp_path / "data", Platform(), catalogue) as bot:
        await bot.receiver(a_message("Der Drucker ist kaputt", attachments=(LOG,)))
        await bot.engine.settled()
    (file,) = (path for path in (tmp_path / "data" / "files").glob("*/*") if path.is_file())
    file.write_bytes(b"ERROR 18\n")
    manifest = await to_thread(back_up, _place(tmp_path / "data"), tmp_path / "a.tar.gz", START)
    assert [name.rpartition("/")[2] for name in manifest.missing] == [file.name]
    await to_thread(restore, tmp_path / "a.tar.gz", _place(tmp_path / "new"), LATER)


# --- what is refused ----------------------------------------------------------------------------------


def _nothing_there(folder: Path) -> bool:
    return not folder.exists() or not any(path.is_file() for path in folder.rglob("*"))


def _refused(archive: Path, tmp_path: Path, match: str) -> None:
    folder = tmp_path / "refused"
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArchiveError, match=match):
        restore(archive, _place(folder), LATER)
    assert _nothing_there(folder)
    assert [
        path for path in sorted(tmp_path.rglob("*")) if path not in before and not path.is_relative_to(folder)
    ] == []


def test_nothing_is_overwritten(backed_up: Path, tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is not overwritten"):
        back_up(_place(tmp_path / "data"), backed_up, START)
    with pytest.raises(ArchiveError, match="a database already"):
        restore(backed_up, _place(tmp_path / "data"), LATER)
    (tmp_path / "other" / "files" / "x").mkdir(parents=True)
    with pytest.raises(ArchiveError, match="files already"):
        restore(backed_up, _place(tmp_path / "other"), LATER)


def test_a_truncated_archive_is_refused_wherever_it_ends(backed_up: Path, tmp_path: Path) -> None:
    whole, cut = backed_up.read_bytes(), tmp_path / "cut.tar.gz"
    for length in (*range(0, len(whole), max(len(whole) // 25, 1)), len(whole) - 1, len(whole) - 8):
        cut.write_bytes(whole[:length])
        _refused(cut, tmp_path, "damaged|not complete")


def test_an_archive_in_which_a_byte_has_changed_is_refused_wherever_it_is(backed_up: Path, tmp_path: Path) -> None:
    whole, changed, chance = backed_up.read_bytes(), tmp_path / "changed.tar.gz", random.Random(7)
    text = 10 + whole[10:].index(0) + 1  # the header of gzip holds a name and a time, which say nothing
    for place in [*chance.sample(range(text, len(whole)), 25), len(whole) - 1]:
        content = bytearray(whole)
        content[place] ^= 1 << chance.randrange(8)
        changed.write_bytes(content)
        _refused(changed, tmp_path, "damaged|altered|not complete|cannot be read|does not belong|restored")


def _changed(archive: Path, target: Path, change: Change) -> Path:
    """The archive made anew, with a valid sum, after ``change`` to its members."""
    with tarfile.open(archive) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]  # all are files
    change(members)
    with tarfile.open(target, "w:gz") as tar:
        for member, content in members:
            if member.isreg():
                member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return target


def _a_member(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        members.insert(0, (info, content))

    return change


@pytest.mark.parametrize(
    "change",
    [
        _a_member("../outside"),
        _a_member("/tmp/firstline-outside"),
        _a_member("files/../../outside"),
        _a_member("files/" + "a" * 36 + "/../" + "0" * 64),
        _a_member("files/" + "a" * 36),
        _a_member("files/c/" + "0" * 64 + "/x"),
        _a_member("firstline.db/x"),
        _a_member("firstline.lock"),
        _a_member("files", kind=tarfile.DIRTYPE),
        _a_member("files", kind=tarfile.SYMTYPE, link="/etc"),
        _a_member("firstline.db", kind=tarfile.SYMTYPE, link="../outside"),
        _a_member("firstline.db", kind=tarfile.LNKTYPE, link="/etc/passwd"),
        _a_member("firstline.db", kind=tarfile.FIFOTYPE),
        _a_member("firstline.db", kind=tarfile.CHRTYPE),
        _a_member("firstline.db", b"SQLite format 3\0"),
        _a_member("a\x1b[31m\nb"),
    ],
)
def test_a_member_that_would_not_come_from_us_is_refused(backed_up: Path, tmp_path: Path, change: Change) -> None:
    _refused(_changed(backed_up, tmp_path / "hostile.tar.gz", change), tmp_path, "does not belong there")
    assert not Path("/tmp/firstline-outside").exists()


def _without(name: str) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[:] = [each for each in members if each[0].name.split("/")[0] != name]

    return change


def _manifest(**values: object) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        info, content = members.pop()
        members.append((info, json.dumps({**json.loads(content), **values}).encode()))

    return change


def _edited_database(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    at = next(n for n, (info, _) in enumerate(members) if info.name == DATABASE)
    members[at] = (members[at][0], members[at][1].replace(b"Drucker", b"Drocker"))


def _another_file(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    at = next(n for n, (info, _) in enumerate(members) if info.name.startswith("files/"))
    members[at] = (members[at][0], b"ERROR 18\n")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_without(DATABASE), "altered"),
        (_without(MANIFEST), "not complete"),
        (_without("files"), "altered"),
        (_edited_database, "altered"),
        (_another_file, "altered"),
        (_manifest(format=2), "newer"),
        (_manifest(members="x"), "cannot be read.*made by Firstline"),
        (_manifest(more=1), "cannot be read"),
    ],
)
def test_an_archive_that_is_not_what_it_was_is_refused(
    backed_up: Path, tmp_path: Path, change: Change, match: str
) -> None:
    _refused(_changed(backed_up, tmp_path / "altered.tar.gz", change), tmp_path, match)


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", gzip.compress(b"", mtime=0), gzip.compress(b"no tar", mtime=0), None],
    ids=["empty", "text", "empty gzip", "gzip of text", "missing"],
)
def test_what_is_no_archive_is_told_so(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "x.tar.gz"
    if content is not None:
        file.write_bytes(content)
    _refused(file, tmp_path, "damaged|not complete|no backup|There is no")


def test_a_database_of_a_newer_firstline_is_refused_with_the_remedy(backed_up: Path, tmp_path: Path) -> None:
    copies.copy(tmp_path / "data" / "firstline.db", tmp_path / "newer.db")
    with closing(sqlite3.connect(tmp_path / "newer.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    back_up(Place(tmp_path / "newer.db", tmp_path / "data" / "files"), tmp_path / "newer.tar.gz", START)
    _refused(tmp_path / "newer.tar.gz", tmp_path, "does not know: install")


def test_what_is_no_database_of_ours_is_not_backed_up(tmp_path: Path) -> None:
    (tmp_path / "firstline.db").write_bytes(b"no database" * 500)
    with pytest.raises(FirstlineError):
        back_up(_place(tmp_path), tmp_path / "a.tar.gz", START)
    with pytest.raises(ArchiveError, match="no database"):
        back_up(_place(tmp_path / "nowhere"), tmp_path / "a.tar.gz", START)
    assert not (tmp_path / "a.tar.gz").exists()
    assert not list(tmp_path.glob(".firstline-*"))


# --- the command line ---------------------------------------------------------------------------------


async def test_the_commands(backed_up: Path, tmp_path: Path, catalogue: Catalogue) -> None:
    async def run(*words: str, **variables: str) -> Result:
        return await to_thread(CliRunner().invoke, app, words, env=variables)

    data, archives = str(tmp_path / "data"), tmp_path / "archives"
    archives.mkdir()
    done = await run("backup", str(archives), FIRSTLINE_DATA=data)
    assert done.exit_code == 0, done.output
    (archive,) = archives.iterdir()
    assert archive.name in done.output
    assert archive.stat().st_mode & 0o777 == 0o600
    restored = await run("restore", str(archive), "--gap", "0", FIRSTLINE_DATA=str(tmp_path / "new"))
    assert restored.exit_code == 0, restored.output
    assert "with 1 files" in restored.output
    assert "HD-000002" in restored.output
    async with _bot(tmp_path / "empty", FakeAdapter(), catalogue):
        taken = await run("restore", str(archive), FIRSTLINE_DATA=str(tmp_path / "empty"))
        assert "Another Firstline" in str(taken.exception)
    server = await run("backup", str(archives), FIRSTLINE_DATABASE_URL="postgresql://localhost/firstline")
    assert "pg_dump" in str(server.exception)
