"""Facts: each counted once, in whatever order and however often it comes, and the same when counted anew."""

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm.sales.v1 import events_pb2
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import emit
from crm_kit.ids import new_id
from crm_kit.zones import DEFAULT_ZONE
from crm_scoring.facts.model import NO_CURRENCY
from crm_scoring.facts.tables import account_days, facts
from crm_scoring.rebuild import rebuild_all
from sqlalchemy import delete, select, update

from tests.service.eventually import eventually
from tests.service.running import Running
from tests.service.scoring.business import Event, case_event, order, reversed_payment, tell

Row = dict[str, Any]


@pytest.fixture
async def tenant_id(scoring: Running) -> UUID:
    return await scoring.tenant()


async def rows_of(scoring: Running, tenant_id: UUID, table: Any) -> list[Row]:
    """All rows of the tenant, in the order of their keys."""
    key = list(table.primary_key)
    found = await scoring.service.database.all(tenant_id, compile_statement(select(table).order_by(*key)), {})
    return [dict(row) for row in found]


async def days_of(scoring: Running, tenant_id: UUID) -> list[Row]:
    return await rows_of(scoring, tenant_id, account_days)


@dataclass
class Counted:
    """What counting the orders that were not cancelled and the payments comes to, by account, day and currency."""

    orders: dict[Any, int] = field(default_factory=lambda: defaultdict(int))
    ordered: dict[Any, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    returned: dict[Any, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    paid: dict[Any, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def history(tenant_id: UUID, seed: int) -> tuple[list[Event], Counted]:
    """Some weeks of business of three accounts, and what it comes to."""
    chance = random.Random(seed)
    counted = Counted()
    events: list[Event] = []
    accounts = [new_id() for _ in range(3)]
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for _ in range(25):
        at = start + timedelta(hours=chance.randrange(24 * 12))
        lines = [Decimal(chance.randint(-5_00, 90_00)).scaleb(-2) for _ in range(chance.randint(1, 3))]
        made = order(tenant_id, chance.choice(accounts), *lines, currency_code=chance.choice(["CNY", "CNY", "USD"]))
        key = (made.account_id, at.astimezone(ZoneInfo(DEFAULT_ZONE)).date(), made.currency_code)
        events.append(made.released(at=at))
        if chance.random() < 0.3:
            events.append(made.cancelled())
        else:
            counted.orders[key] += any(line >= 0 for line in lines)
            counted.ordered[key] += sum(line for line in lines if line >= 0)
            counted.returned[key] -= sum(line for line in lines if line < 0)
        if chance.random() < 0.5:
            events.append(made.paid("12.34", at))
            counted.paid[key] += Decimal("12.34")
    return events, counted


def totals(rows: list[Row], name: str) -> dict[Any, Any]:
    found = {(row["account_id"], row["day"], row["currency_code"]): row[name] for row in rows}
    return {key: value for key, value in found.items() if value}


def told(counts: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in counts.items() if value}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_late_and_repeated_events_do_no_harm_and_a_rebuild_gives_the_same(
    scoring: Running, tenant_id: UUID, seed: int
) -> None:
    events, counted = history(tenant_id, seed)
    chance = random.Random(seed)
    # The same event again, and the same news in another event.
    again = chance.sample(events, 10)
    renamed = [Event.FromString(each.SerializeToString()) for each in again if "Payment" not in each.payload.type_url]
    for each in renamed:
        each.id = str(new_id())
    coming = [*events, *again, *renamed]
    chance.shuffle(coming)
    await tell(scoring, *coming)
    days = await days_of(scoring, tenant_id)
    assert totals(days, "orders") == told(counted.orders)
    assert totals(days, "ordered") == told(counted.ordered)
    assert totals(days, "returned") == told(counted.returned)
    assert totals(days, "paid") == told(counted.paid)

    # What is damaged is made anew from the stored facts.
    lost = account_days.c.day < date(2026, 1, 5)
    for damage in (update(account_days).values(orders=99, paid=7), delete(account_days).where(lost)):
        await scoring.service.database.all(tenant_id, compile_statement(damage), {})
    await rebuild_all(Tenants(scoring.service.database, scoring.service.clock))
    assert await days_of(scoring, tenant_id) == days


async def test_of_many_events_of_one_account_at_once_none_is_lost(scoring: Running, tenant_id: UUID) -> None:
    account_id = new_id()
    orders = [order(tenant_id, account_id, 10) for _ in range(30)]
    now = system_now()
    await asyncio.gather(*(tell(scoring, each.released(at=now)) for each in orders))
    days = await days_of(scoring, tenant_id)
    assert [(row["orders"], row["ordered"]) for row in days] == [(30, Decimal(300))]


async def test_a_release_that_comes_after_its_cancellation_counts_nothing(scoring: Running, tenant_id: UUID) -> None:
    made = order(tenant_id, new_id(), 10)
    await tell(scoring, made.cancelled(version=3), made.released(version=2))
    assert await days_of(scoring, tenant_id) == []


async def test_a_case_counts_as_soon_as_it_is_known_whose_it_is_and_once(scoring: Running, tenant_id: UUID) -> None:
    account_id, id = new_id(), new_id()
    await tell(scoring, case_event(tenant_id, None, id=id, complaint=True))
    assert await rows_of(scoring, tenant_id, facts) == []
    await tell(scoring, case_event(tenant_id, account_id, id=id, complaint=True, closed=True, version=2))
    await tell(scoring, case_event(tenant_id, account_id, id=id, complaint=True, closed=True, version=5))
    await tell(scoring, case_event(tenant_id, account_id, id=new_id()))
    days = await days_of(scoring, tenant_id)
    assert [(row["cases"], row["complaints"], row["currency_code"]) for row in days] == [(1, 1, NO_CURRENCY)]


async def test_a_case_that_moves_or_changes_counts_where_and_as_what_it_is_now(
    scoring: Running, tenant_id: UUID
) -> None:
    before, after, id = new_id(), new_id(), new_id()
    await tell(scoring, case_event(tenant_id, before, id=id))
    await tell(scoring, case_event(tenant_id, after, id=id, complaint=True, closed=True, version=2))
    days = await days_of(scoring, tenant_id)
    assert [(row["account_id"], row["cases"], row["complaints"]) for row in days] == [(after, 0, 1)]


async def test_a_late_payment_is_counted_with_its_days(scoring: Running, tenant_id: UUID) -> None:
    made = order(tenant_id, new_id(), 10)
    paid = datetime(2026, 3, 11, 12, tzinfo=UTC)
    await tell(scoring, made.paid("4.00", paid, due_date="2026-03-01"), made.paid("6.00", paid, due_date="2026-03-20"))
    days = await days_of(scoring, tenant_id)
    assert [(row["payments"], row["late_payments"], row["overdue_days"]) for row in days] == [(2, 1, 10)]


async def test_a_reversed_payment_counts_no_more_in_whatever_order_its_events_come(
    scoring: Running, tenant_id: UUID
) -> None:
    made = order(tenant_id, new_id(), 10)
    received, other = made.paid("4.00"), made.paid("6.00")
    await tell(scoring, received, reversed_payment(received), reversed_payment(other), other)
    assert await days_of(scoring, tenant_id) == []


@pytest.mark.parametrize(
    ("zone", "day"), [("Asia/Shanghai", date(2026, 3, 12)), ("America/New_York", date(2026, 3, 11))]
)
async def test_days_and_delays_are_those_of_the_tenants_calendar(scoring: Running, zone: str, day: date) -> None:
    tenant_id = new_id()
    await scoring.know_tenant(tenant_id, time_zone=zone)
    evening = datetime(2026, 3, 11, 20, 22, tzinfo=UTC)
    made = order(tenant_id, new_id(), 10)
    await tell(scoring, made.released(at=evening), made.paid("4.00", evening, due_date="2026-03-11"))
    (row,) = await days_of(scoring, tenant_id)
    assert (row["day"], row["orders"], row["payments"]) == (day, 1, 1)
    assert (row["late_payments"], row["overdue_days"]) == ((1, 1) if day.day == 12 else (0, 0))


async def test_events_come_through_the_broker(scoring: Running, sales: Running, tenant_id: UUID) -> None:
    made = order(tenant_id, new_id(), 10)
    # The broker believes of orders nobody but sales.
    async with sales.unit_of_work(tenant_id) as work:
        payload = events_pb2.OrderReleased(order=made.message(work.now))
        emit(work, payload, aggregate_type="order", id=made.id, version=2)
    rows = await eventually(lambda: rows_of(scoring, tenant_id, account_days))
    assert [row["ordered"] for row in rows] == [Decimal(10)]
