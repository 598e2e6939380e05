"""Every figure of a report opens its records: a list with its filter has exactly those that the figure was made of.

Questions are generated; what groups and figures should be is worked out here from the records alone.
"""

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm.sales.v1 import opportunities_pb2, pipelines_pb2
from crm_kit.collation.keys import collation_key
from crm_kit.custom_fields.checking import values_to_create
from crm_kit.ids import new_id
from crm_kit.money import Money
from crm_sales.opportunities.model import Opportunity, OpportunityState
from crm_sales.opportunities.resource import OPPORTUNITIES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.service.kit.custom_fields import BOOL, DATE, NUMBER, SINGLE_SELECT, new_field, options
from tests.service.reporting import Reports
from tests.service.running import Running, User
from tests.service.sales.selling import clients, known_account

# One where clocks are changed, one half an hour off, and one where they are changed at midnight.
ZONES = ("Europe/Berlin", "Asia/Kolkata", "America/Havana")
TEXTS = [
    'He said "no"',
    "back\\slash",
    "it's",
    "ｆｕｌｌ",
    "FULL",
    "full",
    "中文 (a) AND b = 1",
    "null",
    "me",
    "*",
    "line\nbreak",
]
Get = Callable[[Opportunity], Any]


def custom(key: str) -> Get:
    return lambda each: each.custom.get(key)


FIELDS: Mapping[str, Get] = {
    "state": lambda each: each.state,
    "account_id": lambda each: each.account_id,
    "owner_id": lambda each: each.owner_id,
    "custom.note": lambda each: None if (note := each.custom.get("note")) is None else collation_key(str(note)),
    "custom.size": custom("size"),
    "custom.hot": custom("hot"),
    "custom.kind": custom("kind"),
    "custom.until": custom("until"),
}
MOMENTS: Mapping[str, Get] = {
    "expected_close_date": lambda each: each.expected_close_date,
    "close_time": lambda each: each.close_time,
    "create_time": lambda each: each.create_time,
    "custom.until": lambda each: None if (day := each.custom.get("until")) is None else date.fromisoformat(str(day)),
}
NUMBERS: Mapping[str, Get] = {
    "amount": lambda each: each.amount.amount,
    "custom.size": lambda each: None if (size := each.custom.get("size")) is None else Decimal(str(size)),
}
UNITS = ("day", "week", "month", "quarter", "year")


def bucket(unit: str, value: Any, zone: str) -> str | None:
    """The first day of what a date or instant is in, by the calendar of the zone."""
    if value is None:
        return None
    day = value.astimezone(ZoneInfo(zone)).date() if isinstance(value, datetime) else value
    match unit:
        case "week":
            # ISO weeks: the same year and week, whatever the month.
            return "{}-{}".format(*day.isocalendar()[:2])
        case "month":
            return f"{day:%Y-%m}"
        case "quarter":
            return f"{day.year} Q{(day.month + 2) // 3}"
        case "year":
            return str(day.year)
    return str(day)


def key_of(each: Opportunity, group_by: Iterable[str], zone: str) -> tuple[Any, ...]:
    keys: list[Any] = []
    for text in group_by:
        field, _, unit = text.partition(":")
        keys.append(bucket(unit, MOMENTS[field](each), zone) if unit else FIELDS[field](each))
    return tuple(keys)


def told(measure: str, among: list[Opportunity]) -> str | None:
    """What a measure says of records of one currency, as text."""
    function, _, field = measure.partition(":")
    if function == "count":
        return str(len(among))
    if function == "distinct":
        return str(len({value for each in among if (value := FIELDS[field](each)) is not None}))
    values = [value for each in among if (value := {**MOMENTS, **NUMBERS}[field](each)) is not None]
    if not values:
        return None
    match function:
        case "sum":
            return number(sum(values, Decimal(0)))
        case "avg":
            exact = sum(values, Decimal(0)) / len(values)
            return number(exact.quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP))
    found = min(values) if function == "min" else max(values)
    if isinstance(found, datetime):
        return found.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return number(found) if isinstance(found, Decimal) else str(found)


def number(value: Decimal) -> str:
    return str(value.normalize()) if value == value.to_integral() and abs(value) < 10 else f"{value.normalize():f}"


def shown(figure: Any) -> str:
    if figure.HasField("amount"):
        return number(Decimal(figure.amount.amount))
    return figure.moment or number(Decimal(figure.number))


class World:
    """Somebody who sees all of these records."""

    def __init__(self, user: User, records: list[Opportunity], sales: Running, zone: str) -> None:
        self.user = user
        self.zone = zone
        self.records = records
        self.reports = Reports(sales.channel, "opportunities")
        self._api = clients(sales)

    async def listed(self, filter: str) -> set[UUID]:
        request = opportunities_pb2.ListOpportunitiesRequest(filter=filter, page_size=200)
        page = await self._api.opportunities.ListOpportunities(request, metadata=self.user.metadata)
        assert not page.next_page_token
        return {UUID(each.id) for each in page.opportunities}


def some(chance: random.Random, account: UUID, pipeline: Any, user: User) -> Opportunity:
    """An opportunity of which anything may be missing."""

    def maybe(value: Any) -> Any:
        return value if chance.random() < 0.7 else None

    day = chance.choice([date(2026, 3, 31), date(2025, 12, 29), date(2027, 1, 3), date(9999, 12, 31), date(1, 1, 1)])
    # Hours around midnight, the ends of months, and the two nights when clocks are changed.
    at = chance.choice([datetime(2026, 3, 28, 22, 30, tzinfo=UTC), datetime(2025, 10, 25, 21, 30, tzinfo=UTC)])
    time = at + timedelta(hours=chance.randrange(0, 6), days=chance.choice([0, 0, 3, 280, 365]))
    values = {
        "note": maybe(chance.choice(TEXTS)),
        "size": maybe(chance.choice(["0.5", "12", "-3"])),
        "hot": maybe(chance.random() < 0.5),
        "kind": maybe(chance.choice(["new", "old"])),
        "until": maybe(chance.choice(["2026-02-28", "9999-12-31"])),
    }
    return Opportunity(
        id=new_id(),
        account_id=account,
        display_name="x",
        pipeline_id=UUID(pipeline.id),
        stage_id=UUID(pipeline.stages[0].id),
        stage_time=time,
        probability_percent=10,
        owner_id=user.id,
        create_time=time,
        update_time=time,
        amount=Money(Decimal(chance.choice(["0", "10", "33.33", "100.01"])), chance.choice(["CNY", "USD", "JPY"][:2])),
        state=chance.choice(list(OpportunityState)),
        expected_close_date=maybe(day),
        close_time=maybe(time),
        custom={key: value for key, value in values.items() if value is not None},
    )


@pytest.fixture(scope="module", params=ZONES)
async def world(sales: Running, request: pytest.FixtureRequest) -> World:
    zone = str(request.param)
    user, api = await sales.user(), clients(sales)
    await sales.know_tenant(user.tenant_id, time_zone=zone, version=2)
    opportunities = "opportunities"
    await new_field(sales, user, "note", collection=opportunities)
    await new_field(sales, user, "size", NUMBER, collection=opportunities)
    await new_field(sales, user, "hot", BOOL, collection=opportunities)
    await new_field(sales, user, "kind", SINGLE_SELECT, collection=opportunities, options=options("new", "old"))
    await new_field(sales, user, "until", DATE, collection=opportunities)
    listed = await api.pipelines.ListPipelines(pipelines_pb2.ListPipelinesRequest(), metadata=user.metadata)
    accounts = [UUID(await known_account(sales, user.tenant_id)) for _ in range(3)]
    chance = random.Random(11)
    records = [some(chance, chance.choice(accounts), listed.pipelines[0], user) for _ in range(40)]
    async with sales.unit_of_work(user.tenant_id) as work:
        await values_to_create(work, opportunities, {}, path="custom")
        for each in records:
            OPPORTUNITIES.create(work, each)
    return World(user, records, sales, zone)


BY_TIME = st.builds("{}:{}".format, st.sampled_from(sorted(MOMENTS)), st.sampled_from(UNITS))
GROUPS = st.lists(st.sampled_from(sorted(FIELDS)) | BY_TIME, max_size=3, unique=True)
MEASURES = st.lists(
    st.just("count")
    | st.builds("{}:{}".format, st.sampled_from(["sum", "avg", "min", "max"]), st.sampled_from(sorted(NUMBERS)))
    | st.builds("{}:{}".format, st.sampled_from(["min", "max"]), st.sampled_from(sorted(MOMENTS)))
    | st.builds("distinct:{}".format, st.sampled_from(["account_id", "state", "custom.note"])),
    max_size=3,
    unique=True,
)
FILTERS: Mapping[str, Callable[[Opportunity], bool]] = {
    "": lambda _: True,
    "state = WON OR state = LOST": lambda each: each.state is not OpportunityState.OPEN,
    'NOT custom.note = "full"': lambda each: collation_key(str(each.custom.get("note", ""))) != collation_key("full"),
}


@pytest.mark.parametrize("text", [*FIELDS, *(f"{field}:{unit}" for field in MOMENTS for unit in UNITS)])
async def test_each_way_to_group_opens_groups_that_have_all_records_once(world: World, text: str) -> None:
    answer = await world.reports.ask(world.user, group_by=[text])
    groups: dict[Any, set[UUID]] = {}
    for each in world.records:
        groups.setdefault(key_of(each, [text], world.zone), set()).add(each.id)
    opened = {row.filter: await world.listed(row.filter) for row in answer.rows}
    assert sorted(map(sorted, opened.values())) == sorted(map(sorted, groups.values())), opened.keys()


@given(filter=st.sampled_from(list(FILTERS)), group_by=GROUPS, measures=MEASURES)
# Of a group with several spellings and currencies most are spelled otherwise in each currency.
@example(filter="", group_by=["custom.note"], measures=["sum:amount"])
@settings(max_examples=25, deadline=None)
async def test_each_row_and_figure_is_right_and_opens_exactly_its_records(
    world: World, filter: str, group_by: list[str], measures: list[str]
) -> None:
    among = [each for each in world.records if FILTERS[filter](each)]
    answer = await world.reports.ask(world.user, filter=filter, group_by=group_by, measures=measures)
    groups: dict[tuple[Any, ...], list[Opportunity]] = {}
    for each in among:
        groups.setdefault(key_of(each, group_by, world.zone), []).append(each)
    assert answer.time_zone == world.zone
    opened = [await world.listed(row.filter) for row in answer.rows]
    expected = list(groups.values()) if group_by else [among]
    found = sorted(map(sorted, opened))
    assert found == sorted(sorted(each.id for each in group) for group in expected), (filter, group_by, measures)
    for row, ids in zip([*answer.rows, answer.total], [*opened, {each.id for each in among}], strict=True):
        records = [each for each in world.records if each.id in ids]
        assert row.record_count == len(records)
        await check_cells(world, row, records, measures or ["count"])
    assert await world.listed(answer.total.filter) == {each.id for each in among}
    assert not answer.HasField("others")


async def check_cells(world: World, row: Any, records: list[Opportunity], measures: list[str]) -> None:
    due: dict[tuple[str, str], tuple[str, set[UUID]]] = {}
    for measure in measures:
        is_money = measure.endswith(":amount")
        for currency in ("CNY", "USD") if is_money else ("",):
            of = [each for each in records if not currency or each.amount.currency_code == currency]
            if (value := told(measure, of)) is not None and (of or not is_money):
                due[measure, currency] = value, {each.id for each in of}
    found = {(cell.measure, cell.currency_code): cell.figure for cell in row.cells}
    assert {place: shown(figure) for place, figure in found.items()} == {
        place: value for place, (value, _) in due.items()
    }
    for place, figure in found.items():
        assert figure.record_count == len(due[place][1])
        assert await world.listed(figure.filter) == due[place][1], figure.filter
