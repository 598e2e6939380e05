"""Days, weeks and months of instants are those that clocks of the zone show, near now and far from it."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from crm_kit.database.statements import DIALECT
from crm_kit.filtering.tree import FieldType, Unit
from crm_kit.resource.buckets import beginnings, bucket_of, number_of
from crm_kit.resource.questions import Grouping
from crm_kit.resource.summary_statement import bucket_binds, bucket_of_instant
from sqlalchemy import TIMESTAMP, column, func, select

from tests.service.running import Running

# Clocks that are changed at midnight, at one, at two, by half an hour, in the south, never, and one that is odd.
ZONES = (
    "Asia/Beirut",
    "America/Havana",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "America/Santiago",
    "Asia/Shanghai",
    "Asia/Kathmandu",
)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize("zone", ZONES)
async def test_an_instant_is_in_the_bucket_of_the_day_that_clocks_show(customer: Running, zone: str) -> None:
    by_chance = random.Random(zone)
    connection = await asyncpg.connect(customer.service.settings.database_url)
    for unit in Unit:
        begin = beginnings(unit, number_of(unit, NOW.date()), zone).instants
        close = [each + timedelta(seconds=by_chance.choice([-3601, -1, 0, 1, 3599])) for each in begin]
        anywhere = [NOW + timedelta(days=by_chance.uniform(-50_000, 5_000)) for _ in range(300)]
        query = select(bucket_of_instant(unit, column("instant", TIMESTAMP(timezone=True)))).select_from(
            func.unnest(func.any_instants()).alias("instant")
        )
        compiled = query.compile(dialect=DIALECT)
        binds = bucket_binds([Grouping("t", FieldType.INSTANT, unit)], NOW, zone)
        arguments = [{**compiled.params, **binds}[name] for name in compiled.positiontup or ()]
        sql = str(compiled).replace("any_instants()", f"${len(arguments) + 1}::timestamptz[]")
        found = await connection.fetch(sql, *arguments, [*close, *anywhere])
        wanted = [bucket_of(unit, each.astimezone(ZoneInfo(zone)).date()) for each in [*close, *anywhere]]
        assert [row[0] for row in found] == wanted, unit
    await connection.close()
