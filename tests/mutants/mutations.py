"""What could be taken out of the program without anything breaking at once, and the test that must notice it.

Each is one edit of one source file. It must not know how it is tried.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutation:
    """``before`` stands exactly once in ``file``; with ``after`` in its place ``witness`` must fail."""

    name: str
    file: str
    before: str
    after: str
    witness: str


KILL = "tests/chaos/test_kill.py::"
INTEGRATION = "tests/integration/"

MUTATIONS = (
    Mutation(
        "de-duplication",
        "bot/storage/inbox.py",
        '"new_identity": identity(message),',
        '"new_identity": identity(message) + str(uuid4()),',
        f"{INTEGRATION}test_accept.py::test_twenty_deliveries_of_one_message_at_once_give_one_row",
    ),
    Mutation(
        "each message once, seen from outside",
        "bot/storage/inbox.py",
        "return identity_of(message.chat, message.message_id)",
        "return identity_of(message.chat, message.delivery_id)",
        "tests/chaos/test_storm.py::test_a_storm_over_one_process_loses_nothing_and_does_nothing_twice",
    ),
    Mutation(
        "the bot's silence, seen from outside",
        "bot/desk/talking.py",
        "replace(case.conversation, mode=Mode.HUMAN, owner=staff.id, pending=None, ticket=case.ticket.number)",
        "replace(case.conversation, mode=Mode.BOT, owner=staff.id, pending=None, ticket=case.ticket.number)",
        "tests/chaos/test_storm.py::test_a_storm_over_one_process_loses_nothing_and_does_nothing_twice",
    ),
    Mutation(
        "acknowledged only when stored",
        "bot/desk/receive.py",
        "accepted = await asyncio.shield(asyncio.create_task(self._stored(message)))",
        "accepted, _later = None, asyncio.create_task(self._stored(message))",
        f"{INTEGRATION}test_accept.py::test_a_message_that_could_not_be_stored_is_not_acknowledged_and_wakes_nobody",
    ),
    Mutation(
        "the order of the inbox",
        "bot/storage/inbox.py",
        ".order_by(_t.c.seq)\n    .limit(50)",
        ".order_by(_t.c.seq.desc())\n    .limit(50)",
        f"{INTEGRATION}test_faults.py::test_messages_that_arrive_out_of_order_are_handled_in_the_order_of_acceptance",
    ),
    Mutation(
        "the fence: the version of the conversation",
        "bot/storage/conversations.py",
        ', _t.c.version == bindparam("at_version"))',
        ")",
        f"{KILL}test_a_process_that_stood_still_while_a_person_took_over_does_not_talk_over_them",
    ),
    Mutation(
        "told only after the shared commit",
        "bot/storage/sqlite.py",
        "turn.ended.set_result(True)\n        await asyncio.shield(turn.settled)",
        "turn.ended.set_result(True)",
        f"{INTEGRATION}test_together.py::test_if_the_shared_commit_fails_nobody_believes_that_it_is_kept",
    ),
    Mutation(
        "undone for itself in the shared commit",
        "bot/storage/sqlite.py",
        '_tell(connection, "ROLLBACK TO turn")',
        "pass",
        f"{INTEGRATION}test_together.py::test_one_that_fails_is_undone_and_nobody_else",
    ),
    Mutation(
        "wake-ups only after the commit",
        "bot/storage/store.py",
        "self._callbacks.append(callback)",
        "callback()",
        f"{INTEGRATION}test_store.py::test_nobody_is_woken_for_what_was_rolled_back",
    ),
    Mutation(
        "a dead letter after the last try",
        "bot/desk/handle.py",
        "await session.inbox.mark_dead(first, now)",
        "await session.inbox.mark_handled((first.id,), now)",
        f"{INTEGRATION}test_worker.py::test_after_five_tries_a_person_gets_the_raw_text_and_the_customer_hears_of_it",
    ),
    Mutation(
        "the order of the outbox",
        "bot/storage/outbox.py",
        "earlier.c.id < _t.c.id,",
        "earlier.c.id > _t.c.id,",
        f"{INTEGRATION}test_delivery.py::test_a_chat_is_sent_to_in_order_and_one_after_the_other",
    ),
    Mutation(
        "noted as sent only after sending",
        "bot/delivery.py",
        "await session.outbox.mark_sending(letter, uncertain=uncertain)",
        'await session.outbox.close(letter, "sent", "")',
        f"{KILL}test_after_kill_9_and_a_restart_the_reply_comes_once",
    ),
    Mutation(
        "the count of sends in doubt",
        "bot/delivery.py",
        "uncertain += 1",
        "pass",
        f"{INTEGRATION}test_delivery.py::test_after_a_second_crash_it_is_left_alone_and_people_can_see_it",
    ),
    Mutation(
        "the look before each send at who has the word",
        "bot/delivery.py",
        "if letter.author is Author.BOT and conversation.mode is Mode.HUMAN:",
        "if letter.author is Author.STAFF and conversation.mode is Mode.HUMAN:",
        f"{INTEGRATION}test_delivery.py::test_a_retry_looks_again_at_who_has_the_word",
    ),
    Mutation(
        "the pause that a platform asks for",
        "bot/delivery.py",
        "await session.outbox.hold(letter.lane, now + error.retry_after)",
        "pass",
        f"{INTEGRATION}test_delivery.py::test_a_person_who_takes_over_must_respect_what_the_platform_asked_for_too",
    ),
    Mutation(
        "the sweeper: conversations",
        "bot/desk/lanes.py",
        "*((HANDLE, conversation) for conversation in conversations),",
        "*((HANDLE, conversation) for conversation in conversations[:0]),",
        f"{INTEGRATION}test_application.py::test_a_message_whose_wake_up_was_lost_is_answered_all_the_same",
    ),
    Mutation(
        "the sweeper: replies",
        "bot/desk/lanes.py",
        "*((DELIVER, lane) for lane in lanes),",
        "*((DELIVER, lane) for lane in lanes[:0]),",
        f"{KILL}test_after_kill_9_and_a_restart_the_reply_comes_once",
    ),
    Mutation(
        "one lane at a time in one process",
        "bot/engine/embedded.py",
        "elif lane in self._running:",
        "elif lane in self._timers:",
        f"{INTEGRATION}test_engine.py::test_the_same_lane_never_runs_twice_at_the_same_time_and_no_wake_up_in_between_is_lost",
    ),
    Mutation(
        "one lane at a time among processes",
        "bot/engine/jobs.py",
        '"lock": lock_of(lane) if holds else None',
        '"lock": None',
        f"{INTEGRATION}test_procrastinate.py::test_two_engines_never_work_on_the_same_lane_at_the_same_time",
    ),
    Mutation(
        "taking over what a dead process was doing",
        "bot/engine/procrastinate.py",
        "for job in await jobs.get_stalled_jobs(seconds_since_heartbeat=STALLED.total_seconds()):",
        "for job in list(await jobs.get_stalled_jobs(seconds_since_heartbeat=STALLED.total_seconds()))[:0]:",
        f"{INTEGRATION}test_procrastinate.py::test_what_a_dead_process_was_doing_is_put_back",
    ),
    Mutation(
        "Telegram hears of a message only when it is stored",
        "adapters/telegram/polling.py",
        "await intake.take(update)\n            self._offset = number + 1",
        "self._offset = number + 1\n            await intake.take(update)",
        "tests/adapters/test_contract.py::test_what_could_not_be_received_comes_again",
    ),
)
