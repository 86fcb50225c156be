"""What people want to see of the customers without changing anything: who is entitled to what, and who is known for whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.agreement import cells
from bot.agreement.customers import Contract, Organisation
from bot.agreement.register import Change
from bot.storage.customers import Known

Row = dict[str, Any]


def customer_row(organisation: Organisation, now: datetime) -> Row:
    return {
        "number": organisation.number,
        "name": organisation.name,
        "entitled": organisation.entitled(now),
        "active": organisation.active,
        "email": organisation.email,
        "address": organisation.address,
        "contacts": [{"name": c.name, "email": c.email} for c in organisation.contacts],
        "contracts": [contract_row(contract, now) for contract in organisation.contracts],
    }


def contract_row(contract: Contract, now: datetime) -> Row:
    hours, region = cells.write_hours(contract.hours)
    return {
        "number": contract.number,
        "in_force": contract.in_force(now),
        "valid_from": contract.valid_from and contract.valid_from.isoformat(),
        "valid_until": contract.valid_until and contract.valid_until.isoformat(),
        "products": list(contract.products),
        "modules": list(contract.modules),
        "covers": sorted(category.value for category in contract.covers),
        "hours": hours or None,
        "region": region or None,
        "response_hours": contract.first_response and contract.first_response / timedelta(hours=1),
        "response_hours_by_priority": {p.value: time / timedelta(hours=1) for p, time in contract.responses.items()},
    }


def known_row(known: Known) -> Row:
    return {
        "kind": known.kind,
        "id": f"{known.adapter}:{known.who}",
        "name": known.name,
        "level": known.level.value,
        "how": known.how,
        "since": known.since.isoformat(timespec="seconds"),
    }


def until(contracts: Sequence[Contract]) -> str:
    if not contracts:
        return "no contract"
    last = [contract.valid_until for contract in contracts]
    return "open end" if None in last else max(day for day in last if day is not None).isoformat()


def figures(changes: Sequence[Change]) -> Row:
    kinds = Counter(change.kind for change in changes)
    contracts: Counter[str] = Counter()
    for change in changes:
        before = {c.number: c for c in change.before.contracts} if change.before else {}
        for contract in change.after.contracts:
            known = before.get(contract.number)
            contracts["new" if known is None else "unchanged" if known == contract else "changed"] += 1
    every = ("new", "changed", "unchanged")
    return {
        "customers": {kind: kinds[kind] for kind in every},
        "contracts": {kind: contracts[kind] for kind in every},
        "without_contract": sum(not change.after.contracts for change in changes),
    }
