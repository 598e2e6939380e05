"""How PostgreSQL carries out a statement of ours."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import orjson
from crm_kit.clock import system_now
from crm_kit.database.connections import Database
from crm_kit.database.statements import Statement
from crm_kit.identity.membership import READING
from crm_kit.ids import new_id


def binds_of_reader(user_id: UUID) -> dict[str, Any]:
    """What conditions on who may see a record ask of somebody who has a team and may not see what is restricted."""
    reader = {"me": user_id, "team_ids": [new_id()], "memberships": READING, "reads_restricted": False}
    return reader | {"today": system_now().date()}


async def plan_of(database: Database, tenant: UUID | str, statement: Statement, values: Mapping[str, Any]) -> Any:
    """The plan for these values, chosen as for a table that is too large to be read.

    Tables of tests are so small that reading them is the cheapest: a plan that reads them all the same had no index.
    """
    async with database.connection(tenant) as connection, connection.transaction():
        return await plan_within(connection, statement, values)


async def plan_within(connection: Any, statement: Statement, values: Mapping[str, Any]) -> Any:
    """As `plan_of`, within a transaction that has begun, which also sees what it has written."""
    await connection.execute("SET LOCAL enable_seqscan = off")
    rows = await connection.fetch(f"EXPLAIN (FORMAT JSON) {statement.sql}", *statement.arguments(values))
    return orjson.loads(rows[0][0])[0]["Plan"]


def scans_of(plan: Mapping[str, Any]) -> list[str]:
    """The kinds of nodes in a plan."""
    return [each["Node Type"] for each in _nodes(plan)]


def scans_of_rows(plan: Mapping[str, Any]) -> list[str]:
    """The kinds of nodes by which rows are found and put in order, without what is looked up beside each."""
    below = [each for each in plan.get("Plans", ()) if each["Parent Relationship"] != "SubPlan"]
    return [plan["Node Type"], *(kind for each in below for kind in scans_of_rows(each))]


def indexes_in(plan: Mapping[str, Any]) -> list[str]:
    """The indexes that a plan reads."""
    return [each["Index Name"] for each in _nodes(plan) if "Index Name" in each]


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)
