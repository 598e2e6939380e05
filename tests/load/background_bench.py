"""What each statement costs that runs by itself, beside a million rows: its time, the pages it reads, and its plan.

python -m tests.load.background_bench [--rows N] [--only SERVICE ...]

Writes build/background_bench.json; ends with 1 when a statement takes longer than it may or reads a whole table.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson
from crm_customer.imports.jobs import CLAIM, claim_next
from crm_customer.imports.tables import import_jobs
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.contacts.tables import contacts
from crm_kit import plumbing
from crm_kit.approvals.overdue import due_approvals
from crm_kit.approvals.rescheduling import outdated_timers
from crm_kit.automation.rules.model import DateReached
from crm_kit.automation.timing.model import Due, condition
from crm_kit.automation.timing.queries import due_timers as due_timers_of_rules
from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import Statement
from crm_kit.events.relay import LOST, mark_published, mark_unpublished, unpublished
from crm_kit.filtering.sql import filter_values
from crm_kit.filtering.tree import And, Comparison, Field, FieldType, Filter, Operator, Shaped
from crm_kit.filtering.words import FilterContext
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.listing import select_page
from crm_kit.paging import parse_order_by
from crm_kit.resource.writing import Resource
from crm_kit.retention import delete_old, tables_with_retention
from crm_local.testing import Servers, servers_for_tests
from crm_sales.leads.queries import due_leads, leads_of_older_rules, next_due, stale_conversions
from crm_sales.leads.tables import leads
from crm_sales.opportunities.resource import OPPORTUNITIES
from crm_sales.opportunities.tables import opportunities
from crm_sales.pools.tables import pool_visits
from crm_sales.pools.visits import due_visits
from crm_scoring.scores.queries import due_tenants
from crm_scoring.scores.tables import rescorings
from crm_service_desk.cases.tables import cases, milestone_timers
from crm_service_desk.cases.timers import due_timers, outdated_cases
from crm_service_desk.outbound_messages.queries import due_messages
from crm_service_desk.outbound_messages.tables import outbound_queue
from sqlalchemy import DateTime, Table

from tests.factories.rows import fill
from tests.load.meter import machine

RESULT = Path("build/background_bench.json")
MAX_MILLISECONDS = 50.0
FEW_ROWS = 5000
TENANTS = 1000
TENANT = UUID("00000000-0000-7000-8000-000000000001")
# The rows of plumbing are of many tenants, those of all else of one: the worst for either.
ANY_OF_FEW = f"('00000000-0000-7000-8000-' || lpad(to_hex(n % {TENANTS // 10}), 12, '0'))::uuid"
ANY_TENANT = f"('00000000-0000-7000-8000-' || lpad(to_hex(n % {TENANTS}), 12, '0'))::uuid"
ONE_TENANT = f"'{TENANT}'"
# As UUIDv7 has them: who came later has the greater one.
ID_IN_ORDER = "('00000000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid"
CALENDAR = UUID(int=7)
NOW = datetime.now(UTC)
UTC_ZONE = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement that runs by itself, with the table whose rows it must not all read."""

    name: str
    table: Table
    statement: Statement
    values: Mapping[str, Any]
    tenant: UUID | str = TENANT


@dataclass(frozen=True, slots=True)
class Cost:
    """What a statement took, and the tables that it read as a whole."""

    statement: str
    milliseconds: float
    pages: int
    read_whole: Sequence[str]

    @property
    def is_good(self) -> bool:
        return self.milliseconds <= MAX_MILLISECONDS and not self.read_whole


def of_retention(service: str) -> Iterator[Asked]:
    """Deleting what is over, for each table of a service; plumbing looks alike in all, so it is asked once."""
    parts = [plumbing.metadata] if service == "customer" else []
    for table in tables_with_retention(*parts, import_module(f"crm_{service}.tables").metadata):
        values = {"before": NOW - table.info["retention"].age, "tenant_id": TENANT}
        tenant = ALL_TENANTS if table.info["plumbing"] else TENANT
        yield Asked(f"delete old {table.name}", table, delete_old(table), values, tenant)


async def filled(connection: asyncpg.Connection, table: Table, rows: int, /, **given: str) -> None:
    """A table with so many rows, one in a hundred over where it has a retention."""
    values = {"tenant_id": ANY_TENANT if table.info["plumbing"] else ONE_TENANT}
    retention = table.info["retention"]
    if column := getattr(retention, "column", None):
        over = f"now() - random() * 1.01 * interval '{retention.age.total_seconds()} s'"
        values[column] = over if isinstance(table.c[column].type, DateTime) else f"({over})::date"
    await fill(connection, table, rows, **values | given)
    await connection.execute(f"ANALYZE {table.name}")


async def customer(connection: asyncpg.Connection, rows: int) -> list[Asked]:
    """The relay, and imports."""
    for asked in of_retention("customer"):
        await filled(connection, asked.table, rows)
    await filled(connection, plumbing.outbox, 2000, publish_time="NULL")
    await filled(connection, import_jobs, 1000, expire_time="now() - random() * interval '1 day'")
    waiting = await connection.fetch("SELECT id FROM outbox WHERE publish_time IS NULL ORDER BY id LIMIT 500")
    ids = [row["id"] for row in waiting]
    everywhere = {"tenant": ALL_TENANTS}
    return [
        *of_retention("customer"),
        Asked("find what is not sent", plumbing.outbox, unpublished(), {}, **everywhere),
        Asked("mark 500 as sent", plumbing.outbox, mark_published(), {"ids": ids}, **everywhere),
        Asked("send the last minutes again", plumbing.outbox, mark_unpublished(), {"age": LOST}, **everywhere),
        Asked("claim an import", import_jobs, claim_next(), {"holder": new_id(), "duration": CLAIM}, **everywhere),
        await birthdays(connection, rows),
    ]


async def birthdays(connection: asyncpg.Connection, rows: int) -> Asked:
    """Contacts who have their birthday, of whatever year."""
    born = "current_date - 7000 - (random() * 20000)::integer"
    await filled(connection, contacts, rows, id=ID_IN_ORDER, birth_date=born)
    timing, field = DateReached("birth_date", at="09:00", every_year=True), Field("birth_date", FieldType.DATE)
    return due_records("find birthdays", CONTACTS, condition(timing, field, Due(NOW, NOW.date()), UTC_ZONE))


async def sales(connection: asyncpg.Connection, rows: int) -> list[Asked]:
    """Pools."""
    await tenants(connection)
    for asked in of_retention("sales"):
        await filled(connection, asked.table, rows)
    ahead = "now() + (random() * 100 - 0.01) * interval '1 day'"
    owned = {"owner_id": "gen_random_uuid()", "state": "'NEW'", "rules_version": "2"}
    await filled(connection, leads, rows, safe_until_time=ahead, **owned)
    await filled(
        connection, pool_visits, TENANTS, tenant_id=ANY_TENANT, due_time="now() + random() * interval '10 min'"
    )
    start = {"after_id": UUID(int=0), "batch": 200}
    instant = {"end_time": NOW}
    since = {"after_time": NOW - timedelta(days=9999)}
    return [
        *of_retention("sales"),
        Asked("find pools that are due", leads, due_visits(), {"now": NOW}, ALL_TENANTS),
        Asked("find leads that are due", leads, due_leads(), start | instant | since | {"tenant_id": TENANT}),
        Asked("find leads of older rules", leads, leads_of_older_rules(), start | {"rules_version": 2} | BINDS),
        Asked("find stale conversions", leads, stale_conversions(), instant | {"tenant_id": TENANT}),
        Asked("when is a lead due next", leads, next_due(), {"tenant_id": TENANT}),
        *await dates_of_sales(connection, rows),
    ]


async def dates_of_sales(connection: asyncpg.Connection, rows: int) -> list[Asked]:
    """Automation rules by dates of opportunities, of which a thousandth is due."""
    timers, id = plumbing.automation_timers, ID_IN_ORDER
    await filled(connection, timers, rows, due_time="now() + (random() * 100 - 0.01) * interval '1 day'")
    day = "current_date + n % 1000"
    changed = "now() - random() * interval '365 days'"
    await filled(connection, opportunities, rows, id=id, expected_close_date=day, update_time=changed, state="'OPEN'")
    token = f"'contract_end=' || ({day})::text"
    given = {"record_id": id, "collection": "'opportunities'", "token": token, "unique": "false"}
    await filled(connection, plumbing.custom_values, rows, **given)
    own, custom, time = (
        Field("expected_close_date", FieldType.DATE),
        Field("custom.contract_end", FieldType.DATE),
        Field("update_time", FieldType.INSTANT),
    )
    today, open_ones = Due(NOW, NOW.date()), Comparison(Field("state", FieldType.ENUM), Operator.EQUAL, "OPEN")
    at_nine, span = DateReached("", at="09:00"), Due(NOW - timedelta(days=9), since=NOW - timedelta(days=9, minutes=5))
    return [
        Asked("find rules that are due", timers, due_timers_of_rules(), {"now": NOW}, ALL_TENANTS),
        due_records("find dates that are reached", OPPORTUNITIES, open_ones, condition(at_nine, own, today, UTC_ZONE)),
        due_records("find custom dates", OPPORTUNITIES, open_ones, condition(at_nine, custom, today, UTC_ZONE)),
        due_records("find times that are reached", OPPORTUNITIES, condition(DateReached(""), time, span, UTC_ZONE)),
        due_records("find all of a schedule", OPPORTUNITIES, open_ones),
    ]


def due_records(name: str, resource: Resource[Any, Any], *terms: Filter) -> Asked:
    """The first records that a rule by the calendar takes."""
    listing, tree = resource.listing, And(terms)
    order = parse_order_by("id", listing.orders, "id")
    query = select_page(listing, Scope.ALL, Shaped.of(tree), order, None)
    values = filter_values(tree, FilterContext(NOW)) | {"page_limit": 50} | BINDS
    return Asked(name, resource.table, query, values)


async def service_desk(connection: asyncpg.Connection, rows: int) -> list[Asked]:
    """Timers, and calendars that have changed."""
    await tenants(connection)
    ahead = "now() + (random() * 100 - 0.01) * interval '1 day'"
    await filled(connection, milestone_timers, rows, due_time=ahead, try_time=ahead)
    counted = {"calendar_id": f"'{CALENDAR}'", "calendar_version": "CASE WHEN n % 100 = 0 THEN 1 ELSE 2 END"}
    await filled(connection, cases, rows, state="'NEW'", **counted)
    asked = {"tenant_id": TENANT, "calendar_id": CALENDAR, "version": 2, "batch": 500}
    position = {"after_version": 0, "after_id": UUID(int=0)}
    return [
        Asked("find timers that are due", milestone_timers, due_timers(), {"now": NOW}, ALL_TENANTS),
        Asked("find cases to count anew", cases, outdated_cases(), asked | position),
        *await answers(connection, rows),
    ]


async def answers(connection: asyncpg.Connection, rows: int) -> list[Asked]:
    """Answers that are all due at once, five of each case, of which four wait for the first; half are one
    tenant's, the rest those of a tenth of the tenants.
    """
    tenant = f"CASE WHEN n % 2 = 0 THEN '{TENANT}'::uuid ELSE {ANY_OF_FEW} END"
    case = "md5((n / 10)::text)::uuid"
    given = {"case_id": case, "channel_id": f"'{CALENDAR}'", "by_mailbox": "true", "message_id": ID_IN_ORDER}
    past = "now() - interval '1 hour'"
    await filled(connection, outbound_queue, rows, tenant_id=tenant, due_time=past, **given)
    seen: dict[str, Any] = {"due_by": NOW, "without": []}
    full = {"due_by": NOW, "without": [TENANT]}
    return [
        Asked("find answers that are due", outbound_queue, due_messages(), seen, ALL_TENANTS),
        Asked("the same beside a full tenant", outbound_queue, due_messages(), full, ALL_TENANTS),
    ]


async def scoring(connection: asyncpg.Connection, rows: int) -> list[Asked]:
    """Scores that are due, and approvals."""
    await tenants(connection)
    for asked in of_retention("scoring"):
        await filled(connection, asked.table, rows)
    await filled(connection, rescorings, TENANTS, tenant_id=ANY_TENANT, asked="1", done="1")
    timers = plumbing.approval_timers
    due_time = "now() + (random() * 100 - 0.01) * interval '1 day'"
    await filled(connection, timers, rows, due_time=due_time, calendar_version="1")
    await filled(connection, plumbing.working_calendars, TENANTS, tenant_id=ANY_TENANT, version="1")
    return [
        *of_retention("scoring"),
        Asked("find tenants to rescore", rescorings, due_tenants(), {"now": NOW}, ALL_TENANTS),
        Asked("find overdue approvals", timers, due_approvals(), {"now": NOW}, ALL_TENANTS),
        Asked("find approvals of an older calendar", timers, outdated_timers(), {}, ALL_TENANTS),
    ]


# What statements of declared resources bind beside their own values.
BINDS: dict[str, Any] = {"tenant_id": TENANT, "user_id": None, "team_ids": []}
SERVICES = {"customer": customer, "sales": sales, "service_desk": service_desk, "scoring": scoring}


async def tenants(connection: asyncpg.Connection) -> None:
    """The tenants of the installation."""
    await filled(connection, plumbing.access_tenants, TENANTS, tenant_id=ANY_TENANT, active="true")


async def cost_of(database: Database, asked: Asked) -> Cost:
    """Run it as the service does, and take it back."""
    async with database.connection(asked.tenant) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            arguments = asked.statement.arguments(asked.values)
            explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {asked.statement.sql}"
            # Once to warm up: the first to come reads from the disk.
            await connection.fetch(explain, *arguments)
            await transaction.rollback()
            transaction = connection.transaction()
            await transaction.start()
            (row,) = await connection.fetch(explain, *arguments)
        finally:
            await transaction.rollback()
    told = orjson.loads(row[0])[0]
    plan = told["Plan"]
    pages = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    milliseconds = round(told["Planning Time"] + told["Execution Time"], 1)
    return Cost(asked.name, milliseconds, pages, sorted(read_whole(plan, asked.table)))


def read_whole(plan: Mapping[str, Any], table: Table) -> set[str]:
    """The table, if its rows are all read, and they are many."""
    is_read = plan["Node Type"] == "Seq Scan" and plan["Relation Name"] == table.name
    rows = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    found = {table.name} if is_read and rows > FEW_ROWS else set()
    return found.union(*(read_whole(each, table) for each in plan.get("Plans", ())))


async def costs_of(servers: Servers, service: str, rows: int) -> list[Cost]:
    """Every statement that a service runs by itself."""
    await servers.migrate(service)
    connection = await asyncpg.connect(servers.superuser_url(f"crm_{service}"))
    database = Database(servers.database_url(service), violations={})
    await database.open()
    try:
        asked = await SERVICES[service](connection, rows)
        return [await cost_of(database, each) for each in asked]
    finally:
        await database.close()
        await connection.close()


async def measured(services: Sequence[str], rows: int) -> list[Cost]:
    """Services one after the other; what each costs is printed as soon as it is known."""
    print(f"{f'beside {rows:,} rows':<36}{'ms':>8}{'pages':>8}")
    costs = []
    async with servers_for_tests() as servers:
        for service in services:
            found = await costs_of(servers, service, rows)
            print("\n".join(map(line_of, found)), flush=True)
            costs += found
    return costs


def line_of(cost: Cost) -> str:
    """A line of the table."""
    wrong = "" if cost.is_good else f"   reads all of {', '.join(cost.read_whole)}" if cost.read_whole else "   slow"
    return f"{cost.statement:<36}{cost.milliseconds:>8.1f}{cost.pages:>8}{wrong}"


def main(arguments: Sequence[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="tests.load.background_bench", description="What background work costs.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of each table")
    parser.add_argument("--only", nargs="+", choices=SERVICES, default=list(SERVICES), help="only these services")
    given = parser.parse_args(arguments)
    costs = asyncio.run(measured(given.only, given.rows))
    RESULT.parent.mkdir(exist_ok=True)
    told = {"machine": machine(), "rows": given.rows, "statements": [asdict(cost) for cost in costs]}
    RESULT.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    return int(not all(cost.is_good for cost in costs))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
