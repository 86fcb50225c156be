"""What the desk does about who somebody is: mail a code to the address that is on file for the organisation.

It must not decide who is asked for one, nor what a proven person may see.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import uuid4

from bot.agreement.customers import Organisation
from bot.catalogue.catalogue import Catalogue
from bot.desk.lanes import DELIVER
from bot.dialogue.speak import notice
from bot.model import Author, ChatRef, Conversation, Language, OutboundMessage, Person
from bot.ports import ChatAdapter, Engine
from bot.storage.customers import CODE_LASTS
from bot.storage.outbox import Draft
from bot.storage.store import Session

MAIL = "mail"
"""The adapter that sends mail, where one is set up."""


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
    subject = notice(catalogue, language, "mail.code.subject", "").text
    body = notice(
        catalogue,
        language,
        "mail.code.body",
        "",
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
