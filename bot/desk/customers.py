"""What the desk does about who somebody is: take over the register of customers, invite people, mail codes.

It must not decide who is asked for a code, nor what a proven person may see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import uuid4

from bot.agreement.customers import Organisation
from bot.agreement.register import Change, Entry, changes
from bot.catalogue.catalogue import Catalogue
from bot.desk.lanes import DELIVER
from bot.dialogue.speak import notice
from bot.errors import FirstlineError
from bot.model import Author, ChatRef, Conversation, Language, OutboundMessage, Person
from bot.ports import ChatAdapter, Engine
from bot.storage.customers import CODE_LASTS, INVITATION_LASTS
from bot.storage.outbox import Draft
from bot.storage.store import Session, Store

MAIL = "mail"
"""The adapter that sends mail, where one is set up."""


class CustomerError(FirstlineError):
    """There is no such customer."""


async def import_register(
    store: Store, entries: Sequence[Entry], now: datetime, *, actor: str, dry_run: bool = False
) -> tuple[Change, ...]:
    """Take the entries over, all of them in one transaction; what became of each. ``dry_run``: only tell."""
    async with store.transaction() as session:
        found = changes(await session.customers.organisations(), entries)
        news = [change for change in found if change.kind != "unchanged"]
        if news and not dry_run:
            await session.customers.save_all([change.after for change in news], now)
            numbers = {kind: [c.after.number for c in news if c.kind == kind] for kind in ("new", "changed")}
            await session.events.add("customers_imported", actor=actor, now=now, data=numbers)
    return found


async def invite(
    store: Store,
    number: str,
    now: datetime,
    *,
    actor: str,
    email: str | None = None,
    person: str = "",
    lasts: timedelta = INVITATION_LASTS,
) -> tuple[Organisation, str]:
    """The customer with this number and a token that invites one person for it. Raises CustomerError."""
    async with store.transaction() as session:
        organisation = await _numbered(session, number)
        token = await session.customers.invite(organisation.id, now, email=email, person=person, lasts=lasts)
        await session.events.add(
            "customer_invited", actor=actor, now=now, data={"organisation": organisation.id, "email": email or ""}
        )
    return organisation, token


async def bind_channel(
    store: Store, number: str, adapter: str, chat_id: str, now: datetime, *, actor: str
) -> Organisation:
    """Everybody in the channel belongs to the customer with this number from now on. Raises CustomerError."""
    async with store.transaction() as session:
        organisation = await _numbered(session, number)
        await session.customers.bind_channel(adapter, chat_id, organisation.id, now, how="invite")
        await session.events.add(
            "channel_bound",
            actor=actor,
            now=now,
            data={"organisation": organisation.id, "channel": f"{adapter}:{chat_id}"},
        )
    return organisation


async def forget(store: Store, number: str, adapter: str, who: str, now: datetime, *, actor: str) -> bool:
    """The person or channel is not known for the customer any more. False if it was not. Raises CustomerError."""
    async with store.transaction() as session:
        organisation = await _numbered(session, number)
        found = [k for k in await session.customers.known(organisation.id) if (k.adapter, k.who) == (adapter, who)]
        for known in found:
            if known.kind == "channel":
                await session.customers.unbind_channel(adapter, who)
            else:
                await session.customers.unbind(adapter, who, organisation.id)
        if found:
            await session.events.add(
                "customer_forgotten",
                actor=actor,
                now=now,
                data={"organisation": organisation.id, "who": f"{adapter}:{who}"},
            )
    return bool(found)


async def _numbered(session: Session, number: str) -> Organisation:
    organisation = await session.customers.numbered(number)
    if organisation is None:
        raise CustomerError(f"There is no customer {number!r}; `firstline customers list` shows them.")
    return organisation


async def send_code(
    session: Session,
    engine: Engine,
    adapters: Mapping[str, ChatAdapter],
    catalogue: Catalogue,
    conversation: Conversation,
    organisation: Organisation,
    sender: Person,
    *,
    language: Language,
    correlation: str,
    now: datetime,
) -> bool:
    """Issue a code to ``sender`` and put the mail with it into the outbox, all in the caller's transaction.

    False, and nothing is written, when it cannot be mailed (no mail server is set, no address is on file) or was asked for too
    often. It goes to the organisation's address only, and says nothing that a stranger could have chosen.
    """
    adapter = adapters.get(MAIL)
    if adapter is None or organisation.email is None:
        return False
    code = await session.customers.issue_code(conversation.chat.adapter, sender.id, organisation.id, now)
    if code is None:
        return False
    address = organisation.address
    subject = notice(catalogue, language, "mail.code.subject", "", address=address).text
    body = notice(
        catalogue,
        language,
        "mail.code.body",
        "",
        address=address,
        code=code,
        minutes=str(round(CODE_LASTS.total_seconds() / 60)),
        organisation=organisation.name,
        number=organisation.number,
    ).text
    mail = ChatRef(MAIL, organisation.email)
    key = f"{conversation.id}:code:{uuid4()}"
    drafts = tuple(
        Draft(
            f"{key}:{n}",
            conversation.id,
            Author.NOTICE,
            part,
            subject if n == 0 else "",
            correlation,
            expires_at=now + CODE_LASTS,
            secret=True,
        )
        for n, part in enumerate(adapter.render(OutboundMessage(mail, f"# {subject}\n\n{body}")))
    )
    await session.outbox.add(drafts, now)
    await session.events.add(
        "code_sent",
        actor="bot",
        now=now,
        conversation_id=conversation.id,
        correlation=correlation,
        data={"organisation": organisation.id},
    )
    await engine.wake(session, DELIVER, mail.lane)
    return True
