"""Whatever staff, strangers and customers write and press, wherever: what is for staff stays there, and staff hear everything."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.catalogue.load import load
from bot.config import shipped_intents
from bot.model import Author, InboundMessage, Ticket, TicketState
from bot.storage.outbox import Letter
from tests.conftest import TestDatabase
from tests.integration.room import MEMBERS, ROOM, House, a_house

CATALOGUE = load(shipped_intents())
SECRET = "geheim"
members = st.sampled_from(MEMBERS)
threads = st.sampled_from(["t1", None, "t99"])
orders = st.sampled_from(
    [
        *("/take", "/übernehmen", "!handback", "/resolve", "/gelöst Alles gut.", "/close", "/reopen", "/undo", "/menu"),
        *(
            "/prio hoch",
            "/category usage",
            "/assign me",
            "/assign mira",
            "/canned details",
            "/away",
            "/here",
            "/tickets",
        ),
        *(
            "/progress in Arbeit",
            "/ask Welche Version?",
            "/help",
            "/link HD-1",
            "/merge 2",
            "/release 1",
            "/reply Guten Tag",
        ),
    ]
)
secret_words = st.sampled_from(
    [f"// {SECRET}", f"note: {SECRET}", f"/note {SECRET}", f"/foo {SECRET}", f"!resolv {SECRET}", f"/priority {SECRET}"]
)
verbs = st.sampled_from(
    ["take", "hand_back", "resolve", "reopen", "undo", "menu", "priority", "assign", "category", "away"]
)
arguments = st.sampled_from(["", ":high", ":me", ":in_scope.usage", ":priority", ":details", ":öäü", ":x:y"])
numbers = st.sampled_from(["1", "2", "99", "x"])
Result = TypeVar("Result")


class Rooms(RuleBasedStateMachine):
    """Everything that no customer may read has SECRET in it, by the rule of whoever writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.folder = tempfile.TemporaryDirectory()
        self.told: list[str] = []
        self.last: InboundMessage | None = None

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    @initialize()
    def opens(self) -> None:
        async def start() -> None:
            folder = Path(self.folder.name)
            database = TestDatabase(f"sqlite:///{folder / 'firstline.db'}")
            self.stack.push_async_callback(database.close)
            self.house: House = await self.stack.enter_async_context(a_house(database, folder, CATALOGUE))
            await self.house.customer("Der Drucker ist kaputt")

        self.do(start())

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.runner.close()
        self.folder.cleanup()

    def ticket(self) -> Ticket:
        return self.do(self.house.ticket())

    # --- customers --------------------------------------------------------------------------------------------

    @rule(
        text=st.sampled_from(["Der Toner ist kaputt", "Mensch bitte", "danke", "nein, geht nicht", "5"]),
        ours=st.booleans(),
    )
    def customer_writes(self, text: str, ours: bool) -> None:
        said = f"{text} {len(self.told)}"
        was_open = self.ticket().open
        self.last = self.do(self.house.customer(said, chat="c1" if ours else "c2"))
        if ours and was_open and self.ticket().open:
            self.told.append(said)

    @rule()
    def customer_changes_what_they_wrote(self) -> None:
        if self.last is not None:
            edit = replace(
                self.last,
                text=self.last.text + "!",
                message_id=f"{self.last.message_id}@1",
                edit_of=self.last.message_id,
            )
            self.do(self.house.app.receiver(edit))

    @rule(verb=verbs, number=numbers, argument=arguments, who=st.sampled_from(["kunde", "kim"]))
    def customer_makes_up_a_press(self, verb: str, number: str, argument: str, who: str) -> None:
        before = self.ticket()
        self.do(self.house.customer("", action=f"staff:{verb}:{number}{argument}", sender=who))
        assert self.ticket() == before

    # --- whoever is not of staff ----------------------------------------------------------------------------------

    @rule(text=st.one_of(orders, secret_words, st.just(SECRET)), thread=threads)
    def stranger_writes(self, text: str, thread: str | None) -> None:
        before = self.ticket()
        self.do(self.house.says(text, who="stranger", thread=thread))
        assert self.ticket() == before

    @rule(verb=verbs, number=numbers, argument=arguments, thread=threads)
    def stranger_presses(self, verb: str, number: str, argument: str, thread: str | None) -> None:
        before = self.ticket()
        self.do(self.house.press(f"staff:{verb}:{number}{argument}", who="stranger", thread=thread))
        assert self.ticket() == before

    # --- staff ----------------------------------------------------------------------------------------------------

    @rule(text=orders, who=members, thread=threads)
    def staff_orders(self, text: str, who: str, thread: str | None) -> None:
        self.do(self.house.says(text, who=who, thread=thread))

    @rule(text=secret_words, who=members, thread=threads)
    def staff_writes_what_is_for_staff(self, text: str, who: str, thread: str | None) -> None:
        self.do(self.house.says(text, who=who, thread=thread))

    @rule(who=members)
    def whoever_has_it_not_writes(self, who: str) -> None:
        owner = self.ticket().owner
        if owner is None or owner.id != f"desk:{who}":
            self.do(self.house.says(SECRET, who=who))

    @rule(who=members)
    def staff_writes_among_themselves(self, who: str) -> None:
        self.do(self.house.says(SECRET, who=who, thread=None))

    @rule(who=members)
    def whoever_has_it_writes(self, who: str) -> None:
        owner = self.ticket().owner
        if owner is not None and owner.id == f"desk:{who}":
            self.do(self.house.says("öffentlich", who=who))

    @rule(verb=verbs, number=numbers, argument=arguments, who=members, thread=threads)
    def staff_presses(self, verb: str, number: str, argument: str, who: str, thread: str | None) -> None:
        self.do(self.house.press(f"staff:{verb}:{number}{argument}", who=who, thread=thread, reply_to="m1"))

    @rule()
    def the_thread_is_deleted(self) -> None:
        if "t1" in self.house.staff.threads and len(self.house.staff.threads) == 1:
            self.house.staff.delete("t1")

    # --- what holds -------------------------------------------------------------------------------------------------

    def letters(self) -> list[Letter]:
        async def read() -> list[Letter]:
            every = ("pending", "sending", "sent", "dropped", "dead", "uncertain")
            async with self.house.app.store.snapshot() as session:
                return list(await session.outbox.in_state(*every))

        return self.do(read())

    @invariant()
    def what_is_for_staff_is_in_their_place_and_nothing_else_is(self) -> None:
        for letter in self.letters():
            theirs = letter.part.chat.adapter == "desk" and letter.part.chat.chat_id == ROOM
            assert (letter.author is Author.STAFF) == theirs
            if not theirs:
                assert SECRET not in letter.text
                assert SECRET not in str(letter.part.payload)
            assert "not for whom" not in (letter.error or "")

    @invariant()
    def staff_have_heard_everything_that_was_said_about_the_open_ticket(self) -> None:
        heard = "\n".join(
            letter.text for letter in self.letters() if letter.author is Author.STAFF and letter.state != "dead"
        )
        for said in self.told:
            assert said in heard

    @invariant()
    def nothing_is_left_undone(self) -> None:
        async def open_() -> int:
            await self.house.settled()
            async with self.house.app.store.snapshot() as session:
                return (
                    len(await session.inbox.waiting())
                    + len(await session.inbox.dead())
                    + len(await session.events.waiting())
                )

        assert self.do(open_()) == 0

    @invariant()
    def whoever_is_shown_on_the_card_has_the_ticket(self) -> None:
        ticket = self.ticket()
        if ticket.state is TicketState.CLOSED or list(self.house.staff.threads) != ["t1"]:
            return
        assert self.house.card["fields"]["Zuständig"] == (ticket.assignee or "noch niemand")


Rooms.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestNothingLeavesTheRoom = Rooms.TestCase
