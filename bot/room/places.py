"""Where staff sit, and who of them may act: known by a platform's ids, never by a name. Frozen; it must not do I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.errors import SettingsError
from bot.model import ChatRef, Person


@dataclass(frozen=True, slots=True)
class Colleague:
    """Somebody of staff: ``person`` is the same wherever they act, ``accounts`` are their ids by adapter."""

    person: Person
    accounts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Roster:
    """Who is of staff. Empty: whoever is a member of the place where staff sit."""

    colleagues: Sequence[Colleague] = ()

    def __bool__(self) -> bool:
        return bool(self.colleagues)

    def find(self, adapter: str, account: str) -> Person | None:
        """Who of staff has this account on the platform."""
        return next(
            (c.person for c in self.colleagues if adapter in c.accounts and _same(account, c.accounts[adapter])), None
        )

    def named(self, name: str) -> Person | None:
        wanted = " ".join(name.split()).casefold()
        return next((c.person for c in self.colleagues if c.person.name.casefold() == wanted), None)

    def account(self, staff: str, adapter: str) -> str | None:
        """How the platform knows this member of staff."""
        for colleague in self.colleagues:
            if colleague.person.id == staff:
                return colleague.accounts.get(adapter)
        platform, _, account = staff.partition(":")
        return account if platform == adapter and account else None


@dataclass(frozen=True, slots=True)
class Places:
    """``main`` has a thread for each ticket; ``second`` hears only of what nobody takes. None: staff have no such place."""

    main: ChatRef | None = None
    second: ChatRef | None = None
    roster: Roster = field(default_factory=Roster)

    def holds(self, chat: ChatRef) -> bool:
        """Whether staff sit in this chat, so that nothing that is said there comes from a customer."""
        return any(place is not None and _here(place, chat) for place in (self.main, self.second))

    def is_main(self, chat: ChatRef) -> bool:
        return self.main is not None and _here(self.main, chat)

    def of(self, adapter: str) -> tuple[str, ...]:
        """The ids of the chats on one platform in which staff sit."""
        return tuple(p.chat_id for p in (self.main, self.second) if p is not None and p.adapter == adapter)


def place(text: str, variable: str) -> ChatRef:
    """A chat as it is written in the settings, ``telegram:-1001234567890`` or ``slack:C0123ABC``. Raises SettingsError."""
    adapter, colon, chat = (part.strip() for part in text.strip().partition(":"))
    if not adapter or not colon or not chat:
        raise SettingsError(
            f"{variable}={text!r} names no chat: write telegram:-1001234567890 or slack:C0123ABC, the platform and the chat's id."
        )
    return ChatRef(adapter, chat)


def _here(place: ChatRef, chat: ChatRef) -> bool:
    return place.adapter == chat.adapter and _same(chat.chat_id, place.chat_id)


def _same(found: str, written: str) -> bool:
    """Slack's ids are known to us with their workspace in front, which nobody writes into a file."""
    return found == written or found.endswith(f":{written}")
