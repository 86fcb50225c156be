"""Organisations in the database, always with their contracts.

It must not know who belongs to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, select

from bot.agreement.calendar import parse_hours
from bot.agreement.customers import Contact, Contract, Organisation
from bot.model import Category, Priority
from bot.storage import tables
from bot.storage.codec import storable
from bot.storage.connection import Connection
from bot.storage.conversations import upsert
from bot.storage.prepared import Prepared, Question

_organisation, _contract = tables.organisation, tables.contract
_ONE = Prepared(select(_organisation.c.id).limit(1))

_ANY = "any"
"""The key of the response time that holds for every priority without one of its own."""


class Organisations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def organisations(self) -> tuple[Organisation, ...]:
        """All, with their contracts, in the order of their numbers."""
        return await self._read()

    async def get(self, organisation_id: str) -> Organisation | None:
        found = await self._read(_organisation.c.id == organisation_id)
        return found[0] if found else None

    async def numbered(self, number: str) -> Organisation | None:
        """The organisation with this customer number, to the letter."""
        found = await self._read(_organisation.c.number == storable(number))
        return found[0] if found else None

    def on_file(self) -> Question[bool]:
        """Whether any customer is at all."""
        return Question(_ONE, {}, lambda rows: rows.first() is not None)

    async def save(self, organisation: Organisation, now: datetime) -> None:
        """As ``save_all``, for one."""
        await self.save_all((organisation,), now)

    async def save_all(self, organisations: Iterable[Organisation], now: datetime) -> None:
        """Write organisations, new or known by their ids, and their contracts, known by their numbers; other contracts stay."""
        organisations = tuple(organisations)
        await self._put(_organisation, [_organisation_row(o, now) for o in organisations], ["id"])
        contracts = [_contract_row(o.id, contract) for o in organisations for contract in o.contracts]
        await self._put(_contract, contracts, ["organisation_id", "number"])

    async def _put(self, table: Table, rows: Sequence[dict[str, Any]], key: list[str]) -> None:
        """Insert the rows, or write them over those with the same key."""
        if not rows:
            return
        statement = upsert(self._connection.dialect.name, table)
        rest = {column: statement.excluded[column] for column in rows[0] if column not in key}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=key, set_=rest), rows)

    async def _read(self, *where: ColumnElement[bool]) -> tuple[Organisation, ...]:
        rows = await self._connection.execute(select(_organisation).where(*where))
        contracts: dict[str, list[Contract]] = {}
        of_these = select(_contract).join(_organisation).where(*where)
        for row in await self._connection.execute(of_these):
            contracts.setdefault(row.organisation_id, []).append(_contract_of(row))
        # Sorted here: databases differ in the order of letters.
        found = [_organisation_of(row, sorted(contracts.get(row.id, ()), key=_number)) for row in rows]
        return tuple(sorted(found, key=_number))


def _number(numbered: Organisation | Contract) -> str:
    return numbered.number


def _organisation_row(organisation: Organisation, now: datetime) -> dict[str, Any]:
    return {
        "id": organisation.id,
        "number": storable(organisation.number),
        "name": storable(organisation.name),
        "email": organisation.email and storable(organisation.email),
        "address": organisation.address,
        "contacts": [[storable(c.name), c.email and storable(c.email)] for c in organisation.contacts],
        "active": int(organisation.active),
        "updated_at": now,
    }


def _organisation_of(row: Row[Any], contracts: Iterable[Contract]) -> Organisation:
    return Organisation(
        id=row.id,
        name=row.name,
        number=row.number,
        contracts=tuple(contracts),
        email=row.email,
        address="du" if row.address == "du" else "sie",
        contacts=tuple(Contact(name, email) for name, email in row.contacts),
        active=bool(row.active),
    )


def _contract_row(organisation_id: str, contract: Contract) -> dict[str, Any]:
    responses = {priority.value: _minutes(time) for priority, time in contract.responses.items()}
    if contract.first_response is not None:
        responses[_ANY] = _minutes(contract.first_response)
    return {
        "organisation_id": organisation_id,
        "number": storable(contract.number),
        "valid_from": contract.valid_from,
        "valid_until": contract.valid_until,
        "products": [storable(product) for product in contract.products],
        "modules": [storable(module) for module in contract.modules],
        "covers": sorted(category.value for category in contract.covers),
        "hours": contract.hours and storable(contract.hours.text),
        "region": contract.hours.region if contract.hours else None,
        "responses": responses,
    }


def _contract_of(row: Row[Any]) -> Contract:
    responses = {key: timedelta(minutes=minutes) for key, minutes in row.responses.items()}
    return Contract(
        number=row.number,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        products=tuple(row.products),
        modules=tuple(row.modules),
        covers=frozenset(map(Category, row.covers)),
        hours=None if row.hours is None else parse_hours(row.hours, region=row.region),
        first_response=responses.pop(_ANY, None),
        responses={Priority(key): time for key, time in responses.items()},
    )


def _minutes(time: timedelta) -> int:
    return round(time.total_seconds() / 60)
