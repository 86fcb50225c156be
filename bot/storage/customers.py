"""Customers in the database: who is known for which organisation, and the invitations and codes by which people prove it.

Of tokens and codes only hashes are kept. It must not know how they reach anybody.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import bindparam, case, delete, func, select, text, update

from bot.agreement.customers import Level, Organisation, Standing
from bot.model import ChatRef
from bot.storage import tables
from bot.storage.codec import storable
from bot.storage.conversations import upsert
from bot.storage.organisations import Organisations
from bot.storage.prepared import Prepared

_organisation, _identity, _channel = tables.organisation, tables.identity, tables.channel
_invitation, _code = tables.invitation, tables.code

_BOUND = (
    select(_channel.c.organisation_id)
    .where(_channel.c.adapter == bindparam("of_adapter"), _channel.c.chat_id.in_(bindparam("places", expanding=True)))
    .order_by(_channel.c.chat_id)
)
_KNOWN = Prepared(
    select(_identity.c.organisation_id, _identity.c.level)
    .where(_identity.c.adapter == bindparam("of_adapter"), _identity.c.user_id == bindparam("of_user"))
    .order_by(_identity.c.level, _identity.c.updated_at.desc(), _identity.c.organisation_id)
)

INVITATION_LASTS = timedelta(days=14)
CODE_LASTS = timedelta(minutes=15)
CODE_KEPT = timedelta(days=1)
"""How long the hash of a code is kept: for counting an hour would do, for looking into a complaint a day does."""
CODES_AN_HOUR = 3
"""Codes not used so far that one person may ask for within an hour, and that may be asked for in one organisation's name."""
WRONG_TRIES = 5

_CODE = re.compile(r"[0-9]{6}")
_SPACING = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class Known:
    """A person (``who`` is the platform's id) or a channel that is known for an organisation; ``how`` names what proved it."""

    kind: Literal["person", "channel"]
    adapter: str
    who: str
    name: str
    level: Level
    how: str
    since: datetime


class Customers(Organisations):
    # --- who is known for which ------------------------------------------------------------------

    async def standings(self, chat: ChatRef, sender_id: str) -> tuple[Standing, ...]:
        """Every organisation that this person is known for, the likeliest first: the one that the channel is bound to, then what is
        proven, then what is stated, the latest first. Empty when unknown.

        Everybody in a bound channel is proven. Ids that a platform nests are written outermost first, with colons: a channel that
        is bound without its team counts in every team, and a bound team counts for everybody who belongs to it.
        """
        places = {chat.chat_id, chat.chat_id.rpartition(":")[2], sender_id.rpartition(":")[0]} - {""}
        where = {"of_adapter": chat.adapter, "places": [storable(p) for p in places]}
        bound = await self._connection.execute(_BOUND, where)
        levels = dict.fromkeys(bound.scalars(), Level.PROVEN)
        known = await self._connection.execute(_KNOWN, {"of_adapter": chat.adapter, "of_user": storable(sender_id)})
        for organisation_id, level in known:
            levels.setdefault(organisation_id, Level(level))
        found = await self._read(_organisation.c.id.in_(list(levels))) if levels else ()
        by_id = {organisation.id: organisation for organisation in found}
        return tuple(Standing(level, by_id[organisation_id]) for organisation_id, level in levels.items())

    async def bind(
        self,
        adapter: str,
        user_id: str,
        organisation_id: str,
        level: Level,
        now: datetime,
        *,
        person: str = "",
        how: str,
    ) -> None:
        """This person belongs to the organisation. A level once reached is never lowered; ``how`` names what proved it."""
        if level is Level.UNKNOWN:
            raise ValueError("nobody can be known for an organisation as unknown")
        statement = upsert(self._connection.dialect.name, _identity).values(
            adapter=adapter,
            user_id=storable(user_id),
            organisation_id=organisation_id,
            level=level.value,
            person=storable(person)[:200],
            how=how,
            updated_at=now,
        )
        new = statement.excluded
        keeps = (_identity.c.level == Level.PROVEN.value) & (new.level != Level.PROVEN.value)
        await self._connection.execute(
            statement.on_conflict_do_update(
                index_elements=["adapter", "user_id", "organisation_id"],
                set_={
                    "level": case((keeps, _identity.c.level), else_=new.level),
                    "how": case((keeps, _identity.c.how), else_=new.how),
                    "person": case((new.person == "", _identity.c.person), else_=new.person),
                    "updated_at": now,
                },
            )
        )

    async def unbind(self, adapter: str, user_id: str, organisation_id: str | None = None) -> None:
        """Forget that this person belongs to the organisation; without one, to any."""
        which = [_identity.c.adapter == adapter, _identity.c.user_id == storable(user_id)]
        if organisation_id is not None:
            which.append(_identity.c.organisation_id == organisation_id)
        await self._connection.execute(delete(_identity).where(*which))

    async def bind_channel(self, adapter: str, chat_id: str, organisation_id: str, now: datetime, *, how: str) -> None:
        """The channel belongs to the organisation, and to no other any more."""
        row = {
            "adapter": adapter,
            "chat_id": storable(chat_id),
            "organisation_id": organisation_id,
            "how": how,
            "updated_at": now,
        }
        await self._put(_channel, [row], ["adapter", "chat_id"])

    async def unbind_channel(self, adapter: str, chat_id: str) -> None:
        await self._connection.execute(
            delete(_channel).where(_channel.c.adapter == adapter, _channel.c.chat_id == storable(chat_id))
        )

    async def known(self, organisation_id: str) -> tuple[Known, ...]:
        """The channels and people that are known for the organisation, the latest first."""
        channels = await self._connection.execute(
            select(_channel).where(_channel.c.organisation_id == organisation_id).order_by(_channel.c.updated_at.desc())
        )
        people = await self._connection.execute(
            select(_identity)
            .where(_identity.c.organisation_id == organisation_id)
            .order_by(_identity.c.updated_at.desc(), _identity.c.user_id)
        )
        return (
            *(Known("channel", r.adapter, r.chat_id, "", Level.PROVEN, r.how, r.updated_at) for r in channels),
            *(Known("person", r.adapter, r.user_id, r.person, Level(r.level), r.how, r.updated_at) for r in people),
        )

    async def known_as(self, adapter: str, user_id: str) -> int:
        """For how many organisations this person is known."""
        query = select(func.count()).where(_identity.c.adapter == adapter, _identity.c.user_id == storable(user_id))
        return int((await self._connection.execute(query)).scalar_one())

    # --- invitations -----------------------------------------------------------------------------

    async def invite(
        self,
        organisation_id: str,
        now: datetime,
        *,
        email: str | None = None,
        person: str = "",
        lasts: timedelta = INVITATION_LASTS,
    ) -> str:
        """A token of 46 characters (A-Z a-z 0-9 _ -) that proves once that whoever has it belongs to the organisation.

        It begins with ``fl-``, so that it is known for what it is wherever somebody pastes it.
        """
        token = f"fl-{secrets.token_urlsafe(32)}"
        await self._connection.execute(
            _invitation.insert().values(
                token_hash=_digest(token),
                organisation_id=organisation_id,
                email=email and storable(email),
                person=storable(person)[:200],
                created_at=now,
                expires_at=now + lasts,
            )
        )
        return token

    async def redeem(self, token: str, now: datetime) -> Organisation | None:
        """The organisation that the token invites for, which uses it up; None if it is forged, used or too old."""
        used = await self._connection.execute(
            update(_invitation)
            .where(
                _invitation.c.token_hash == _digest(token),
                _invitation.c.used_at.is_(None),
                _invitation.c.expires_at > now,
            )
            .values(used_at=now)
            .returning(_invitation.c.organisation_id)
        )
        organisation_id: str | None = used.scalar_one_or_none()
        return None if organisation_id is None else await self.get(organisation_id)

    # --- codes -----------------------------------------------------------------------------------

    async def issue_code(self, adapter: str, user_id: str, organisation_id: str, now: datetime) -> str | None:
        """Six digits by which this person can prove within 15 minutes that they read the organisation's mail.

        None when this person, or anybody in this organisation's name, has asked too often within the last hour.
        """
        await self._one_at_a_time(adapter, user_id, organisation_id)
        await self._connection.execute(delete(_code).where(_code.c.created_at <= now - CODE_KEPT))
        person = (_code.c.adapter == adapter) & (_code.c.user_id == storable(user_id))
        for whose in (person, _code.c.organisation_id == organisation_id):
            recent = select(func.count()).where(
                whose, _code.c.used_at.is_(None), _code.c.created_at > now - timedelta(hours=1)
            )
            if (await self._connection.execute(recent)).scalar_one() >= CODES_AN_HOUR:
                return None
        code, salt = f"{secrets.randbelow(1_000_000):06}", secrets.token_hex(16)
        await self._connection.execute(
            _code.insert().values(
                adapter=adapter,
                user_id=storable(user_id),
                organisation_id=organisation_id,
                salt=salt,
                code_hash=await _stretched(code, salt),
                wrong=0,
                created_at=now,
                expires_at=now + CODE_LASTS,
            )
        )
        return code

    async def check_code(self, adapter: str, user_id: str, code: str, now: datetime) -> Organisation | None:
        """The organisation that this person has proved to belong to, which uses the code up; None if it is wrong, used, too old,
        another person's, or has been guessed at too often. Six wrong digits count against every code that is open, other words not.
        """
        code = _SPACING.sub("", code)
        if not _CODE.fullmatch(code):
            return None
        open_ = (
            select(_code)
            .where(
                _code.c.adapter == adapter,
                _code.c.user_id == storable(user_id),
                _code.c.used_at.is_(None),
                _code.c.expires_at > now,
                _code.c.wrong < WRONG_TRIES,
            )
            .order_by(_code.c.id)
            .with_for_update()
        )
        rows = (await self._connection.execute(open_)).all()
        right = [row for row in rows if hmac.compare_digest(row.code_hash, await _stretched(code, row.salt))]
        if not right:
            tried = _code.c.id.in_([row.id for row in rows])
            await self._connection.execute(update(_code).where(tried).values(wrong=_code.c.wrong + 1))
            return None
        await self._connection.execute(update(_code).where(_code.c.id == right[-1].id).values(used_at=now))
        return await self.get(right[-1].organisation_id)

    async def was_code(self, adapter: str, user_id: str, code: str) -> bool:
        """Whether these digits were ever a code for this person, used or too old by now, as far as that is still kept."""
        code = _SPACING.sub("", code)
        person = (_code.c.adapter == adapter) & (_code.c.user_id == storable(user_id))
        rows = (await self._connection.execute(select(_code).where(person))).all()
        return any([hmac.compare_digest(row.code_hash, await _stretched(code, row.salt)) for row in rows])

    async def _one_at_a_time(self, adapter: str, user_id: str, organisation_id: str) -> None:
        """Whoever counts must be alone. SQLite has one writer anyhow; PostgreSQL keeps these locks until the transaction ends."""
        if self._connection.dialect.name == "sqlite":
            return
        for name in (f"code of {organisation_id}", f"code for {adapter}:{user_id}"):
            number = int.from_bytes(hashlib.sha256(name.encode(errors="replace")).digest()[:8], signed=True)
            await self._connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


def _digest(token: str) -> str:
    """Plain SHA-256 is enough for 256 random bits."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


async def _stretched(code: str, salt: str) -> str:
    """A million codes are soon tried, so each try is made to cost some 20 ms and 8 MB: that outlasts the code."""

    def scrypt() -> str:
        return hashlib.scrypt(code.encode(), salt=bytes.fromhex(salt), n=2**13, r=8, p=1).hex()

    return await asyncio.to_thread(scrypt)
