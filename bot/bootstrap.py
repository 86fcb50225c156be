"""The composition root: the one place where parts are chosen and joined. What is joined runs in ``bot.running``.

It decides nothing about messages.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

import adapters as adapters_registry
from bot.catalogue.catalogue import Catalogue
from bot.clockwork import Clockwork
from bot.config import ALL_ROLES, Role, Settings
from bot.delivery import Delivery
from bot.desk.fetch import Fetcher
from bot.desk.gather import Gathering
from bot.desk.habits import Habits
from bot.desk.handle import Worker
from bot.desk.home import HomePage
from bot.desk.ladder import Ladder
from bot.desk.lanes import CLOCK, DELIVER, FETCH, HANDLE, TELL, waiting
from bot.desk.receive import Receiver
from bot.desk.staff import Desk
from bot.desk.understand import Understanding
from bot.desk.watch import Watch
from bot.dialogue.commands import commands
from bot.engine import chosen
from bot.engine.elsewhere import ElsewhereEngine
from bot.errors import DatabaseError, SettingsError
from bot.knowledge import Knowledge, Unasked, speakable
from bot.model import Command, Form, InboundMessage
from bot.operations.status import Insight, Status
from bot.operations.watching import watching
from bot.ports import ChatAdapter, Classifier, Clock, Files, Forms, Home
from bot.reload import KnowledgeBase
from bot.room import menus
from bot.room.forms import Forms as RoomForms
from bot.room.listen import Room
from bot.room.places import Places, Roster, place
from bot.room.roster import read_roster
from bot.room.tell import Teller
from bot.running import App
from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.files import Folder
from bot.storage.store import Session, Store


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def build(
    settings: Settings,
    *,
    adapters: Sequence[ChatAdapter] | None = None,
    clock: Clock = now,
    classifier: Classifier | None = None,
    catalogue: Catalogue | None = None,
    files: Files | None = None,
    shared: bool = True,
) -> AsyncIterator[App]:
    """The application for ``settings``; ``adapters`` instead of the configured ones.

    ``shared``: on PostgreSQL it takes its part in the work of all processes; else only this process wakes what it does.
    An embedded database is migrated here, another must be up to date. Raises SettingsError, CatalogueError, DatabaseError.
    """
    database = Database(settings.resolved_database_url)
    if database.is_sqlite and shared and settings.role_names != ALL_ROLES:
        raise SettingsError(
            f"FIRSTLINE_ROLES={settings.roles}: on an embedded database one process does everything. Leave the roles away, or "
            "set FIRSTLINE_DATABASE_URL to a PostgreSQL, where any number of processes share the work."
        )
    catalogue = catalogue or speakable(settings.intents)
    roles = settings.role_names if shared else ALL_ROLES
    if classifier is None and "worker" not in roles:
        classifier = Unasked()  # training one takes long, and nobody would ask it
    if classifier is None:
        knowledge = await asyncio.to_thread(Knowledge.trained, catalogue, settings)
    else:
        knowledge = Knowledge(catalogue, classifier)
    async with contextlib.AsyncExitStack() as stack:
        path = database.url.database
        if database.is_sqlite and path and path != ":memory:":
            stack.enter_context(alone(Path(path)))
        stack.push_async_callback(database.close)
        if database.is_sqlite:
            await migrate.upgrade(database)
        else:
            await migrate.require_current(database)
        application = _joined(
            settings,
            database,
            KnowledgeBase(settings, knowledge),
            adapters,
            clock,
            files or open_files(settings),
            shared=shared,
            roles=roles,
        )
        stack.push_async_callback(asyncio.to_thread, application.watching.close)
        await stack.enter_async_context(application.engine.opened())
        try:
            yield application
        finally:
            for adapter in application.adapters.values():
                await adapter.close()


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Store]:
    """The store alone, for looking at it beside a running bot. Raises DatabaseError when the schema is not up to date."""
    database = Database(settings.resolved_database_url)
    try:
        await migrate.require_current(database)
        yield Store(database)
    finally:
        await database.close()


@asynccontextmanager
async def open_desk(settings: Settings, *, clock: Clock = now) -> AsyncIterator[Desk]:
    """What staff can do, beside a running bot, which then sends what they say. Raises CatalogueError, DatabaseError."""
    catalogue = await asyncio.to_thread(speakable, settings.intents)
    async with open_store(settings) as store:
        rendering = Rendering(settings, HomePage(store, lambda: catalogue, clock, settings.default_language))
        try:
            yield Desk(
                store,
                ElsewhereEngine(),
                rendering,
                lambda: catalogue,
                clock,
                settings.default_language,
                habits_of(settings),
                Watch(ladder(settings)),
            )
        finally:
            await rendering.close()


class Rendering(Mapping[str, ChatAdapter]):
    """The adapters of the settings, and the terminal, each made when something is to be rendered for it; nothing is sent."""

    def __init__(self, settings: Settings, home: Home) -> None:
        self._settings = settings
        self._home = home
        self._made: dict[str, ChatAdapter] = {}

    def __getitem__(self, name: str) -> ChatAdapter:
        if name not in self._made:
            if name not in set(self):
                raise KeyError(name)
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("terminal", *self._settings.adapter_names))

    def __len__(self) -> int:
        return 1 + len(self._settings.adapter_names)

    def _make(self, name: str) -> ChatAdapter:
        if name == "terminal":
            return adapters_registry.load(name)(answered=_nothing)
        # Rendering opens no file, wherever they are kept, so this folder is only named.
        return _adapter(name, self._settings, Folder(self._settings.data / "files"), self._home)

    async def close(self) -> None:
        for adapter in self._made.values():
            await adapter.close()


async def _nothing() -> None:
    """Nobody waits for an answer."""


def open_files(settings: Settings) -> Files:
    """Where attachments are kept. Raises SettingsError, FilesError."""
    if "://" in settings.files:
        return _objects(settings.files)
    folder = Folder(Path(settings.files) if settings.files else settings.data / "files")
    folder.sweep()
    return folder


def _objects(url: str) -> Files:
    try:
        from bot.storage.objects import Objects

        return Objects(url)
    except ImportError as error:
        raise SettingsError(
            f"FIRSTLINE_FILES={url} needs the package {error.name or 'of its kind'}, which is not installed: "
            "pip install 'firstline[s3]'."
        ) from error


def _joined(
    settings: Settings,
    database: Database,
    knowledge: KnowledgeBase,
    adapters: Sequence[ChatAdapter] | None,
    clock: Clock,
    files: Files,
    *,
    shared: bool,
    roles: frozenset[Role],
) -> App:
    store = Store(database)

    def in_force() -> Catalogue:
        return knowledge.in_force.catalogue

    async def form(message: InboundMessage) -> Form | None:
        return await forms(message)

    places = places_of(settings, [adapter.name for adapter in adapters or ()])
    if adapters is None:
        offered = commands(in_force(), settings.default_language)
        orders = menus.commands(in_force(), settings.staff_language)
        home = HomePage(store, in_force, clock, settings.default_language)
        adapters = [
            *(
                _adapter(name, settings, files, home, offered, places.of(name), orders, form)
                for name in settings.adapter_names
            ),
            *mail(settings),
        ]
    by_name: dict[str, ChatAdapter] = {adapter.name: adapter for adapter in adapters}
    status = Status()
    told = watching(settings, Insight(status, database, clock), tuple(by_name))
    understanding = Understanding(told.observe)

    watch, habits = Watch(ladder(settings)), habits_of(settings)

    async def handle(lane: str) -> timedelta | None:
        return await worker(lane)

    async def deliver(lane: str) -> timedelta | None:
        return await delivery(lane)

    async def sweep() -> list[tuple[str, str]]:
        return await waiting(store, clock(), staffed=places.main is not None)

    async def ring(lane: str) -> timedelta | None:
        return await clockwork(lane)

    async def fetch(lane: str) -> timedelta | None:
        return await fetcher(lane)

    async def tell(conversation_id: str) -> timedelta | None:
        return await teller(conversation_id)

    async def heed(session: Session, conversation_id: str) -> None:
        await engine.wake(session, TELL, conversation_id)

    handlers = {
        **({HANDLE: handle, CLOCK: ring, FETCH: fetch, TELL: tell} if "worker" in roles else {}),
        **({DELIVER: deliver} if "delivery" in roles else {}),
    }
    engine, leadership = chosen(database.url, handlers, sweep, adapters=by_name, shared=shared)
    desk = Desk(
        store,
        engine,
        by_name,
        in_force,
        clock,
        settings.default_language,
        habits,
        watch,
    )
    room = Room(store, engine, by_name, desk, in_force, clock, places, settings.staff_language)
    forms = RoomForms(room, in_force, settings.staff_language)
    teller = Teller(store, engine, by_name, in_force, clock, places, settings.staff_language)
    if places.main is not None:
        store.heed = heed
    worker = Worker(
        store=store,
        engine=engine,
        adapters=by_name,
        understanding=understanding,
        knowledge=lambda: knowledge.in_force,
        clock=clock,
        burst=settings.burst,
        default_language=settings.default_language,
        gather=Gathering(settings.identify, settings.patience, timedelta(days=settings.reopen_days)),
        watch=watch,
        observe=told.observe,
        room=room,
    )
    clockwork = Clockwork(store, engine, by_name, lambda: knowledge.in_force, clock, settings.default_language, watch)
    delivery = Delivery(store, by_name, clock, random.Random(), told.observe, places.holds)  # noqa: S311  (jitter is no secret)
    fetcher = Fetcher(
        store=store,
        engine=engine,
        adapters=by_name,
        files=files,
        catalogue=in_force,
        clock=clock,
        most=settings.file_bytes,
        default_language=settings.default_language,
        jitter=random.Random(),  # noqa: S311  (as above)
        watch=watch,
        observe=told.observe,
        for_staff=places.holds,
    )
    address = (settings.web_host, settings.web_port)
    receiver = Receiver(store, engine, clock, told.observe, settings.burst, by_name, places.holds)
    return App(
        store,
        engine,
        leadership,
        understanding,
        receiver,
        desk,
        knowledge,
        address,
        by_name,
        status,
        told,
        roles=roles,
        begin=teller.recall,
    )


def places_of(settings: Settings, adapters: Sequence[str]) -> Places:
    """Where staff sit; ``adapters`` are there besides those of the settings.

    Raises SettingsError for a place on a platform that is not set up.
    """
    found = []
    for name in ("staff_chat", "staff_second_chat"):
        written, variable = getattr(settings, name), f"FIRSTLINE_{name.upper()}"
        chat = place(written, variable) if written else None
        if chat is not None and chat.adapter not in settings.adapter_names and chat.adapter not in adapters:
            raise SettingsError(f"{variable}={written} is in {chat.adapter}, which FIRSTLINE_ADAPTERS does not name.")
        found.append(chat)
    roster = read_roster(settings.staff_file) if settings.staff_file is not None else Roster()
    return Places(found[0], found[1], roster)


def ladder(settings: Settings) -> Ladder:
    return Ladder(
        timedelta(minutes=settings.remind_minutes),
        timedelta(minutes=settings.raise_minutes),
        timedelta(minutes=settings.second_chat_minutes),
    )


def habits_of(settings: Settings) -> Habits:
    return Habits(
        timedelta(seconds=settings.undo_seconds), timedelta(days=settings.close_days), settings.staff_language
    )


def _adapter(
    name: str,
    settings: Settings,
    files: Files,
    home: Home,
    offered: Sequence[Command] = (),
    staff: Sequence[str] = (),
    orders: Sequence[Command] = (),
    form: Forms | None = None,
) -> ChatAdapter:
    make = adapters_registry.load(name)
    match name:
        case "telegram":
            base = settings.telegram_api_url
            return make(
                _needed(settings.telegram_token, "telegram_token"),
                files=files,
                base_url=f"{base}/bot" if base else None,
                base_file_url=f"{base}/file/bot" if base else None,
                webhook=_called_at(settings, "telegram") if settings.telegram_mode == "webhook" else None,
                commands=offered,
                staff=staff,
                staff_commands=orders,
            )
        case "slack":
            called = settings.slack_mode == "http"
            return make(
                _needed(settings.slack_bot_token, "slack_bot_token"),
                None if called else _needed(settings.slack_app_token, "slack_app_token"),
                files=files,
                signing_secret=_needed(settings.slack_signing_secret, "slack_signing_secret") if called else None,
                home=home,
                staff=staff,
                form=form,
                base_url=settings.slack_api_url,
            )
        case "terminal" | "mail":
            raise SettingsError(
                f"The adapter {name!r} is not run as a service: use `firstline chat`, or set FIRSTLINE_SMTP_*."
            )
    try:
        return make(**settings.options(name))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"The adapter {name!r} cannot be made from FIRSTLINE_{name.upper()}_*: {error}.") from error


def mail(settings: Settings) -> Sequence[ChatAdapter]:
    """The adapter that only sends mail, where a server for it is set; else none. Raises SettingsError."""
    if settings.smtp_host is None:
        return ()
    if settings.smtp_from is None:
        raise SettingsError(
            "FIRSTLINE_SMTP_FROM is not set: mail needs a sender, as in Helpdesk <helpdesk@example.com>."
        )
    if settings.smtp_password is not None and settings.smtp_security == "none":
        raise SettingsError(
            "FIRSTLINE_SMTP_SECURITY is none, so the password would travel readable: use starttls or tls."
        )
    try:
        adapter = adapters_registry.load("mail")(
            settings.smtp_host,
            settings.smtp_port,
            sender=settings.smtp_from,
            security=settings.smtp_security,
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value() if settings.smtp_password else None,
        )
    except ValueError as error:
        raise SettingsError(f"FIRSTLINE_SMTP_FROM: {error}.") from None
    return (adapter,)


def _called_at(settings: Settings, path: str) -> str:
    if settings.public_url is None:
        raise SettingsError(
            "FIRSTLINE_PUBLIC_URL is not set: to be called, the bot must say where, as in https://bot.example.com."
        )
    return f"{settings.public_url.rstrip('/')}/{path}"


def _needed(secret: SecretStr | None, name: str) -> str:
    if secret is None:
        raise SettingsError(f"FIRSTLINE_{name.upper()} is not set, and the adapter needs it.")
    return secret.get_secret_value()


@contextmanager
def alone(database: Path) -> Iterator[None]:
    """One process at a time works on an embedded database: lanes are kept apart in its memory."""
    path = database.with_suffix(".lock")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise DatabaseError(
                f"Another Firstline (process {file.read().strip() or 'unknown'}) works on {database}. Stop it, use "
                "another data folder (FIRSTLINE_DATA), or a PostgreSQL database (FIRSTLINE_DATABASE_URL)."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
