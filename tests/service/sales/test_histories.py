"""Follow-ups of converted leads come into the history of their accounts, each once, in steps."""

import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from crm.customer.v1 import timeline_pb2
from crm.customer.v1.timeline_pb2_grpc import TimelineServiceStub
from crm.event.v1 import event_pb2
from crm.sales.v1 import events_pb2
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.background import Tenants
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import UnitOfWork
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_sales.leads import histories
from crm_sales.leads.histories import BATCH, Histories, end_history, move_on
from crm_sales.leads.model import Lead
from crm_sales.leads.tables import lead_follow_ups, unfinished_histories
from crm_sales.pools.protection import FollowUp
from sqlalchemy import func, select

from tests.service.eventually import eventually
from tests.service.running import Running, User
from tests.service.sales.converting import Qualified
from tests.service.sales.selling import Sales
from tests.steps import watched

FEW = 3
Followed = Callable[[int], Awaitable[pb.Lead]]
Told = Callable[[], Awaitable[list[event_pb2.Event]]]


class CrashError(Exception):
    """The process ends here."""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of some follow-ups, so that there are several."""
    monkeypatch.setattr("crm_sales.leads.histories.BATCH", FEW)


@pytest.fixture
def followed(sales: Running, seller: User, qualified: Qualified) -> Followed:
    """A qualified lead with so many follow-ups, each with a note of its own."""

    async def followed_lead(count: int) -> pb.Lead:
        lead = await qualified()
        async with sales.unit_of_work(seller.tenant_id) as work:
            row = {"lead_id": UUID(lead.id), "kind": "CALL", "user_id": seller.id}
            row |= {"happen_time": work.now, "record_time": work.now}
            for number in range(count - 1):
                work.insert(lead_follow_ups, row | {"id": new_id(), "note": f"note {number}"})
            await work.flush_many()
        return lead

    return followed_lead


@pytest.fixture
def told(sales: Running, seller: User) -> Told:
    """The events of follow-ups in the histories of accounts."""

    async def read() -> list[event_pb2.Event]:
        query = select(outbox.c.event).where(outbox.c.tenant_id == seller.tenant_id)
        rows = await sales.service.database.all(seller.tenant_id, compile_statement(query), {})
        events = [event_pb2.Event.FromString(row["event"]) for row in rows]
        return [each for each in events if each.payload.Is(events_pb2.FollowUpConverted.DESCRIPTOR)]

    return read


async def convert(api: Sales, by: User, lead: pb.Lead) -> pb.Lead:
    return await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=by.metadata)


async def nothing_is_left(sales: Running, user: User) -> None:
    async def all_is_told() -> bool:
        query = select(func.count()).where(unfinished_histories.c.tenant_id == user.tenant_id)
        (row,) = await sales.service.database.all(user.tenant_id, compile_statement(query), {})
        return bool(row[0] == 0)

    await eventually(all_is_told)


def ids_of(events: list[event_pb2.Event]) -> set[str]:
    """Of what they tell, each told once."""
    ids = [each.aggregate_id for each in events]
    assert len(set(ids)) == len(ids)
    return set(ids)


async def test_a_history_comes_in_steps_that_hold_up_nobody_however_long_it_is(
    api: Sales, sales: Running, seller: User, followed: Followed, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await followed(1000)
    with watched(monkeypatch) as steps:
        converted = await convert(api, seller, lead)
        await nothing_is_left(sales, seller)
    assert steps.too_long == []
    events = await told()
    assert len(ids_of(events)) == 1000
    # What becomes true together has one time.
    assert max(Counter(each.occur_time.ToNanoseconds() for each in events).values()) <= BATCH
    assert {each.actor_id for each in events} == {str(seller.id)}
    payloads = [events_pb2.FollowUpConverted.FromString(each.payload.value) for each in events]
    assert {(each.account_id, each.lead_owner_id) for each in payloads} == {(converted.account_id, str(seller.id))}


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("count", [FEW - 1, FEW, FEW + 1, 3 * FEW])
async def test_all_of_a_history_is_on_the_timeline_of_the_account_once(
    api: Sales, sales: Running, customer: Running, seller: User, followed: Followed, count: int
) -> None:
    lead = await followed(count)
    converted = await convert(api, seller, lead)
    await nothing_is_left(sales, seller)
    timeline = TimelineServiceStub(customer.channel)
    follow_ups = "kind = FOLLOW_UP_CONVERTED"
    request = timeline_pb2.ListTimelineRequest(account_id=converted.account_id, filter=follow_ups)

    async def all_are_there() -> list[timeline_pb2.TimelineEntry]:
        page = await timeline.ListTimeline(request, metadata=seller.metadata)
        return list(page.entries) if len(page.entries) >= count else []

    entries = await eventually(all_are_there)
    notes = [detail.value for each in entries for detail in each.details if detail.name == "note"]
    assert sorted(filter(None, notes)) == sorted(f"note {number}" for number in range(count - 1))
    assert len(entries) == count


@pytest.mark.usefixtures("few")
async def test_a_history_that_cannot_be_told_holds_up_no_other(
    api: Sales, sales: Running, seller: User, followed: Followed, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_sales.leads.histories.MAX_FOUND", 1)
    bad, good = await followed(2 * FEW), await followed(2 * FEW)
    tell = histories.tell_some

    async def tell_some(work: UnitOfWork, lead: Lead, after_id: UUID) -> list[FollowUp]:
        if str(lead.id) == bad.id and after_id != histories.THE_FIRST:
            raise CrashError
        return await tell(work, lead, after_id)

    monkeypatch.setattr(histories, "tell_some", tell_some)
    for lead in (bad, good):
        await convert(api, seller, lead)

    async def all_of_it_is_told() -> bool:
        return len(await told()) == 3 * FEW

    await eventually(all_of_it_is_told)


@pytest.fixture(params=["before", "after"])
def crashing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Of what would become true, every second time the process ends just before, or just after it has."""
    commit, turns = UnitOfWork.commit, itertools.count()
    # Whose process has ended puts nothing off.
    monkeypatch.setattr(histories, "WAIT", timedelta())

    async def ended(self: UnitOfWork) -> None:
        is_step = not {move_on(), end_history()}.isdisjoint(each.statement for each in self.pending)
        crash = is_step and next(turns) % 2 == 0
        if crash and request.param == "before":
            raise CrashError
        await commit(self)
        if crash:
            raise CrashError

    monkeypatch.setattr(UnitOfWork, "commit", ended)
    yield
    assert next(turns) > 4, "several steps, of which some were ended"


@pytest.mark.usefixtures("few", "crashing")
async def test_wherever_a_process_ends_each_follow_up_is_told_once(
    api: Sales, sales: Running, seller: User, followed: Followed, told: Told
) -> None:
    lead = await followed(5 * FEW)
    await convert(api, seller, lead)
    others = Histories(Tenants(sales.service.database, sales.service.clock))
    for _ in range(20):
        await others.look()
    await nothing_is_left(sales, seller)
    assert len(ids_of(await told())) == 5 * FEW
