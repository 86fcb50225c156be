"""No sequence of what staff and customers do lets a note reach a customer, or the bot speak while a person has the word."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bot.catalogue.load import load
from bot.clockwork import Clockwork
from bot.config import shipped_intents
from bot.desk.lanes import CLOCK, waiting
from bot.desk.staff import Desk as StaffDesk
from bot.desk.staff import TicketError
from bot.model import Author, ChatRef, Mode, Person, Priority, TicketState
from bot.storage import migrate
from bot.storage.database import Database
from bot.storage.store import Store
from tests.fakes import a_message, by_name
from tests.integration.desk import Desk, a_desk

CATALOGUE = load(shipped_intents())
SECRET = "geheim"
STAFF = (Person("kim", "Kim"), Person("mira", "Mira"))
THREAD = ChatRef("fake", "staff")
people = st.sampled_from(STAFF)
marks = st.sampled_from(["// ", "note: ", "Notiz: ", "intern: "])
Result = TypeVar("Result")


class Office(RuleBasedStateMachine):
    """Everything that may not be read by the customer has SECRET in it, by the rule of whoever writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.stack = contextlib.AsyncExitStack()
        self.numbers = count(1)
        self.asked: list[str] = []

    def do(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    def attempt(self, work: Coroutine[Any, Any, object]) -> None:
        with contextlib.suppress(TicketError):
            self.do(work)

    @initialize()
    def opens(self) -> None:
        async def start() -> None:
            database = Database("sqlite://")
            self.stack.push_async_callback(database.close)
            await migrate.upgrade(database)
            self.desk: Desk = await self.stack.enter_async_context(a_desk(Store(database), CATALOGUE))
            desk = self.desk
            self.staff = StaffDesk(desk.store, desk.engine, by_name(desk.adapter), lambda: CATALOGUE, desk.clock, "de")
            self.clockwork = Clockwork(
                desk.store, desk.engine, by_name(desk.adapter), lambda: desk.knowledge, desk.clock, "de"
            )
            await desk.receive(a_message("Der Drucker ist kaputt"))
            await desk.handle_all()
            (ticket,) = await desk.tickets()
            await self.staff.open(ticket.conversation_id, STAFF[0])

        self.do(start())

    def teardown(self) -> None:
        self.do(self.stack.aclose())
        self.runner.close()

    tickets = st.sampled_from([1, 2])

    @rule(text=st.sampled_from(["Der Drucker ist kaputt", "Mensch bitte", "danke", "ja", "nein, geht nicht", "5"]))
    def customer_writes(self, text: str) -> None:
        async def write() -> None:
            await self.desk.receive(a_message(text))
            await self.desk.handle_all()

        self.do(write())

    @rule(key=st.sampled_from(["solved", "unsolved"]), number=tickets)
    def customer_presses(self, key: str, number: int) -> None:
        async def press() -> None:
            await self.desk.receive(a_message("", action=f"{key}:{number}"))
            await self.desk.handle_all()

        self.do(press())

    @rule(number=tickets, who=people)
    def takes(self, number: int, who: Person) -> None:
        self.attempt(self.staff.take(number, who))

    @rule(number=tickets, who=people)
    def replies(self, number: int, who: Person) -> None:
        self.attempt(self.staff.reply(number, who, "öffentlich"))

    @rule(number=tickets, who=people)
    def takes_back(self, number: int, who: Person) -> None:
        self.attempt(self.staff.undo(number, who))

    @rule(number=tickets, who=people)
    def asks(self, number: int, who: Person) -> None:
        self.attempt(self.staff.ask(number, who, "öffentlich?"))

    @rule(number=tickets, who=people)
    def notes(self, number: int, who: Person) -> None:
        self.attempt(self.staff.note(number, who, SECRET))

    @rule(number=tickets, who=people, mark=marks)
    def writes_a_marked_text_in_the_thread(self, number: int, who: Person, mark: str) -> None:
        self.attempt(self.staff.thread_message(number, who, mark + SECRET, THREAD, f"t{next(self.numbers)}"))

    @rule(number=tickets, who=people, later=st.booleans())
    def writes_in_a_thread_that_is_not_theirs(self, number: int, who: Person, later: bool) -> None:
        owner = next(t for t in self.do(self.desk.tickets()) if t.number == number).owner
        if owner is not None and owner.id == who.id:
            return
        message = f"t{next(self.numbers)}"
        self.attempt(self.staff.thread_message(number, who, SECRET, THREAD, message))
        if later:
            self.asked.append(message)

    @rule(who=people)
    def says_that_what_was_asked_about_is_a_note(self, who: Person) -> None:
        if self.asked:
            self.attempt(self.staff.thread_answer(THREAD, self.asked.pop(), who, "note"))

    @rule(number=tickets, who=people, text=st.sampled_from(["", "öffentlich"]))
    def hands_back(self, number: int, who: Person, text: str) -> None:
        self.attempt(self.staff.hand_back(number, who, text))

    @rule(number=tickets, who=people)
    def resolves(self, number: int, who: Person) -> None:
        self.attempt(self.staff.resolve(number, who))

    @rule(number=tickets, who=people)
    def reopens(self, number: int, who: Person) -> None:
        self.attempt(self.staff.reopen(number, who))

    @rule(number=tickets, who=people)
    def closes(self, number: int, who: Person) -> None:
        self.attempt(self.staff.close(number, who))

    @rule(number=tickets, who=people, to=people)
    def assigns(self, number: int, who: Person, to: Person) -> None:
        self.attempt(self.staff.assign(number, who, to))

    @rule(number=tickets, who=people)
    def merges(self, number: int, who: Person) -> None:
        self.attempt(self.staff.merge(number, who, 3 - number))

    @rule(who=people)
    def goes(self, who: Person) -> None:
        self.attempt(self.staff.away(who))

    @rule(number=tickets, who=people)
    def prioritises(self, number: int, who: Person) -> None:
        self.attempt(self.staff.prioritise(number, who, Priority.LOW))

    @rule(hours=st.sampled_from([1, 30, 100]))
    def time_passes(self, hours: int) -> None:
        async def ring() -> None:
            self.desk.clock.advance(timedelta(hours=hours))
            for kind, lane in await waiting(self.desk.store, self.desk.clock()):
                if kind == CLOCK:
                    await self.clockwork(lane)

        self.do(ring())

    @rule()
    def delivery_goes_on(self) -> None:
        self.do(self.desk.deliver_all())

    @invariant()
    def no_note_is_on_its_way_to_the_customer(self) -> None:
        for letter in self.do(self.desk.letters()):
            assert SECRET not in letter.text
            assert SECRET not in str(letter.part.payload)

    @invariant()
    def the_bot_has_nothing_to_say_while_a_person_has_the_word(self) -> None:
        for ticket in self.do(self.desk.tickets())[:1]:
            conversation = self.do(self.desk.conversation(ticket.conversation_id))
            waiting_ = [letter for letter in self.do(self.desk.letters("pending")) if letter.author is Author.BOT]
            assert not (conversation.mode is Mode.HUMAN and waiting_)

    @invariant()
    def a_person_has_the_word_exactly_while_a_ticket_is_owned(self) -> None:
        tickets = self.do(self.desk.tickets())
        owners = {ticket.assignee_id for ticket in tickets if ticket.owner is not None}
        conversation = self.do(self.desk.conversation(tickets[0].conversation_id))
        assert (conversation.mode is Mode.HUMAN) == bool(owners)
        assert conversation.owner in owners or not owners

    @invariant()
    def what_is_owned_has_an_owner(self) -> None:
        for ticket in self.do(self.desk.tickets()):
            if ticket.state in (TicketState.TAKEN, TicketState.WAITING_FOR_CUSTOMER):
                assert ticket.owner is not None


Office.TestCase.settings = settings(
    max_examples=25, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestNoNoteReachesACustomer = Office.TestCase
