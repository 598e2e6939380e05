"""Visits through their contract: plans, what became of them, and the share that was made."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2, interactions_pb2
from crm.customer.v1 import visits_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.interactions_pb2_grpc import InteractionServiceStub
from crm.customer.v1.visits_pb2_grpc import VisitServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_customer.records.visits.missing import Missing
from crm_customer.records.visits.model import GRACE
from crm_customer.records.visits.tables import visit_timers
from crm_customer.records.visits.timers import move
from crm_kit.background import Tenants
from crm_kit.database.statements import statement
from crm_kit.identity.access import Scope
from crm_kit.wire import timestamp
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import Select, bindparam, select

from tests.service.customer.customers import new_account, new_contact, new_interaction
from tests.service.history import changes_of
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.visits_pb2_grpc import VisitServiceAsyncStub

PLANNED, DONE, MISSED, CANCELLED = (
    pb.Visit.State.Value(f"STATE_{name}") for name in ("PLANNED", "DONE", "MISSED", "CANCELLED")
)
VISIT = interactions_pb2.Interaction.CHANNEL_VISIT
Plan = Callable[..., Awaitable[pb.Visit]]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(await customer.tenant(sandbox=True))


@pytest.fixture
def api(customer: Running) -> "VisitServiceAsyncStub":
    return VisitServiceStub(customer.channel)


@pytest.fixture
async def account(customer: Running, user: User) -> accounts_pb2.Account:
    return await new_account(customer, user)


@pytest.fixture
def plan(api: "VisitServiceAsyncStub", user: User, account: accounts_pb2.Account) -> Plan:
    """Plans a visit as `user`, tomorrow unless `at` says when; keywords are its fields, `by` another user."""

    async def plan_visit(*, by: User = user, at: datetime | None = None, key: str = "", **fields: Any) -> pb.Visit:
        begins = timestamp(at or datetime.now(UTC) + timedelta(days=1))
        values: dict[str, Any] = {"display_name": "续签合同", "account_id": account.id, "planned_time": begins}
        request = pb.CreateVisitRequest(visit=pb.Visit(**values | fields))
        return await api.CreateVisit(request, metadata=by.with_key(key) if key else by.metadata)

    return plan_visit


@statement
def due_time_of() -> Select[Any]:
    timers = visit_timers.c
    return select(timers.due_time).where(
        timers.tenant_id == bindparam("tenant_id"), timers.visit_id == bindparam("visit_id")
    )


async def interaction(customer: Running, by: User, id: str) -> interactions_pb2.Interaction:
    request = interactions_pb2.GetInteractionRequest(id=id)
    found: interactions_pb2.Interaction = await InteractionServiceStub(customer.channel).GetInteraction(
        request, metadata=by.metadata
    )
    return found


def retitled(visit: pb.Visit, **fields: Any) -> pb.UpdateVisitRequest:
    changed = pb.Visit(id=visit.id, **fields)
    return pb.UpdateVisitRequest(
        visit=changed, update_mask=FieldMask(paths=[name for name in fields if name != "etag"])
    )


async def test_a_plan_says_who_visits_whom_when_and_what_for(
    customer: Running, api: "VisitServiceAsyncStub", user: User, account: accounts_pb2.Account, plan: Plan
) -> None:
    contact = await new_contact(customer, user, account.id)
    planned = await plan(
        key="once",
        contact_ids=[contact.id],
        objective="确认采购量",
        information_to_bring="新价目表",
        information_to_collect="预算",
    )
    assert (
        await plan(
            key="once",
            at=planned.planned_time.ToDatetime(UTC),
            contact_ids=[contact.id],
            objective="确认采购量",
            information_to_bring="新价目表",
            information_to_collect="预算",
        )
        == planned
    )
    assert (planned.state, planned.owner_id, planned.account_name) == (PLANNED, str(user.id), account.display_name)
    assert list(planned.contact_names) == [contact.display_name]
    assert planned.overdue_time.ToDatetime(UTC) == planned.planned_time.ToDatetime(UTC) + GRACE
    assert not planned.HasField("completion")
    assert await api.GetVisit(pb.GetVisitRequest(id=planned.id), metadata=user.metadata) == planned
    mine = pb.ListVisitsRequest(filter="owner_id = me AND state = PLANNED", order_by="planned_time")
    assert list((await api.ListVisits(mine, metadata=user.metadata)).visits) == [planned]


async def test_a_visit_that_is_done_is_on_the_timeline_as_the_interaction_that_it_was(
    customer: Running, api: "VisitServiceAsyncStub", user: User, account: accounts_pb2.Account, plan: Plan
) -> None:
    made_at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=3)
    planned = await plan(at=made_at)
    request = pb.CompleteVisitRequest(id=planned.id, outcome="同意续签", next_step="发送报价单")
    done = await api.CompleteVisit(request, metadata=user.metadata)
    assert (done.state, done.completion) == (DONE, 100)
    told = await interaction(customer, user, done.interaction_id)
    assert (told.channel, told.subject, told.outcome, told.next_step) == (VISIT, "续签合同", "同意续签", "发送报价单")
    assert (told.account_id, list(told.user_ids)) == (account.id, [str(user.id)])
    assert told.interaction_time.ToDatetime(UTC) == made_at
    asked = accounts_pb2.GetAccountRequest(id=account.id)
    seen = await AccountServiceStub(customer.channel).GetAccount(asked, metadata=user.metadata)
    assert seen.last_contact_time == told.interaction_time
    for again in (
        api.CompleteVisit(request, metadata=user.metadata),
        api.CancelVisit(pb.CancelVisitRequest(id=planned.id), metadata=user.metadata),
        api.MissVisit(pb.MissVisitRequest(id=planned.id), metadata=user.metadata),
        api.UpdateVisit(retitled(planned, location="here"), metadata=user.metadata),
    ):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await again


async def test_what_is_told_of_a_visit_is_refused_by_the_names_of_the_request(
    customer: Running, api: "VisitServiceAsyncStub", user: User, account: accounts_pb2.Account, plan: Plan
) -> None:
    contact = await new_contact(customer, user, account.id)
    planned = await plan(contact_ids=[contact.id])
    ahead = timestamp(datetime.now(UTC) + timedelta(days=1))
    for wrong, field in (
        ({"visit_time": ahead}, "visit_time"),
        ({"next_step_due_date": "2026-12-01"}, "next_step_due_date"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await api.CompleteVisit(pb.CompleteVisitRequest(id=planned.id, **wrong), metadata=user.metadata)
        assert refusal.fields == [field]


async def test_who_makes_a_visit_tells_of_it_whether_they_see_its_account_or_not(
    customer: Running, api: "VisitServiceAsyncStub", user: User, account: accounts_pb2.Account, plan: Plan
) -> None:
    own = {f"{each}.{verb}": Scope.OWN for each in ("accounts", "visits", "interactions") for verb in ("read", "write")}
    visitor = await customer.user(user.tenant_id, grants=own)
    contact = await new_contact(customer, user, account.id)
    planned = await plan(owner_id=str(visitor.id), contact_ids=[contact.id])
    done = await api.CompleteVisit(pb.CompleteVisitRequest(id=planned.id, outcome="signed"), metadata=visitor.metadata)
    told = await interaction(customer, user, done.interaction_id)
    assert (told.account_id, list(told.contact_ids), told.outcome) == (account.id, [contact.id], "signed")
    stub = AccountServiceStub(customer.channel)
    asked = accounts_pb2.GetAccountRequest(id=account.id)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await stub.GetAccount(asked, metadata=visitor.metadata)


async def test_of_two_who_tell_of_a_visit_at_once_one_does(
    customer: Running, api: "VisitServiceAsyncStub", user: User, account: accounts_pb2.Account, plan: Plan
) -> None:
    planned = await plan()
    request = pb.CompleteVisitRequest(id=planned.id)
    answers = await asyncio.gather(
        *(api.CompleteVisit(request, metadata=user.metadata) for _ in range(4)), return_exceptions=True
    )
    assert len([each for each in answers if isinstance(each, pb.Visit)]) == 1
    listed = await InteractionServiceStub(customer.channel).ListInteractions(
        interactions_pb2.ListInteractionsRequest(filter=f'account_id = "{account.id}"'), metadata=user.metadata
    )
    assert len(listed.interactions) == 1


async def test_an_interaction_that_is_there_tells_of_one_visit(
    customer: Running, api: "VisitServiceAsyncStub", user: User, account: accounts_pb2.Account, plan: Plan
) -> None:
    met = await new_interaction(customer, user, account.id, channel=VISIT)
    call = await new_interaction(customer, user, account.id)
    elsewhere = await new_interaction(customer, user, (await new_account(customer, user)).id, channel=VISIT)
    first, second = await plan(), await plan()
    for wrong in (call, elsewhere):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            request = pb.CompleteVisitRequest(id=first.id, interaction_id=wrong.id)
            await api.CompleteVisit(request, metadata=user.metadata)
        assert refusal.fields == ["interaction_id"]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        request = pb.CompleteVisitRequest(id=first.id, interaction_id=met.id, outcome="signed")
        await api.CompleteVisit(request, metadata=user.metadata)
    assert refusal.fields == ["outcome"]
    request = pb.CompleteVisitRequest(id=first.id, interaction_id=met.id)
    assert (await api.CompleteVisit(request, metadata=user.metadata)).interaction_id == met.id
    with refused("ALREADY_EXISTS", "VISIT_INTERACTION_TAKEN"):
        request = pb.CompleteVisitRequest(id=second.id, interaction_id=met.id)
        await api.CompleteVisit(request, metadata=user.metadata)


async def test_recording_what_came_of_a_visit_takes_the_right_to_record(
    customer: Running, api: "VisitServiceAsyncStub", user: User, plan: Plan
) -> None:
    grants = {f"{each}.read": Scope.ALL for each in ("accounts", "visits", "interactions")} | {
        "visits.write": Scope.ALL
    }
    planner = await customer.user(user.tenant_id, grants=grants)
    planned = await plan()
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.CompleteVisit(pb.CompleteVisitRequest(id=planned.id), metadata=planner.metadata)
    cancelled = await api.CancelVisit(pb.CancelVisitRequest(id=planned.id, reason="ill"), metadata=planner.metadata)
    assert (cancelled.state, cancelled.close_reason, cancelled.HasField("completion")) == (CANCELLED, "ill", False)


async def test_a_visit_is_put_off_until_it_is_settled_and_not_by_who_has_not_seen_it_last(
    api: "VisitServiceAsyncStub", user: User, plan: Plan
) -> None:
    planned = await plan()
    later = planned.planned_time.ToDatetime(UTC) + timedelta(days=3)
    moved = await api.UpdateVisit(
        retitled(planned, planned_time=timestamp(later), etag=planned.etag), metadata=user.metadata
    )
    assert moved.overdue_time.ToDatetime(UTC) == later + GRACE
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.UpdateVisit(retitled(planned, location="there", etag=planned.etag), metadata=user.metadata)
    for length in (timedelta(0), timedelta(days=8)):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await api.UpdateVisit(retitled(planned, planned_end_time=timestamp(later + length)), metadata=user.metadata)
        assert refusal.fields == ["visit.planned_end_time"]


async def test_nobody_visits_what_is_not_there_for_them(
    customer: Running, user: User, account: accounts_pb2.Account, plan: Plan
) -> None:
    stranger = await customer.user()
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await plan(by=stranger)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await plan(contact_ids=[account.id])
    assert refusal.fields == ["visit.contact_ids[0]"]
    stub = AccountServiceStub(customer.channel)
    await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=account.id), metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ACCOUNT_ARCHIVED"):
        await plan()


async def test_a_visit_is_seen_by_who_makes_it_and_by_who_sees_its_account(
    customer: Running, api: "VisitServiceAsyncStub", user: User, plan: Plan
) -> None:
    own = {f"{each}.read": Scope.OWN for each in ("accounts", "visits")}
    visitor, keeper, other = [await customer.user(user.tenant_id, grants=own) for _ in range(3)]
    theirs = await new_account(customer, user, owner_id=str(keeper.id))
    planned = await plan(owner_id=str(visitor.id), account_id=theirs.id)
    for reader in (visitor, keeper):
        assert (await api.GetVisit(pb.GetVisitRequest(id=planned.id), metadata=reader.metadata)).id == planned.id
        assert len((await api.ListVisits(pb.ListVisitsRequest(), metadata=reader.metadata)).visits) == 1
    for stranger in (other, await customer.user()):
        with refused("NOT_FOUND", "VISIT_NOT_FOUND"):
            await api.GetVisit(pb.GetVisitRequest(id=planned.id), metadata=stranger.metadata)
        assert not (await api.ListVisits(pb.ListVisitsRequest(), metadata=stranger.metadata)).visits


async def test_what_nobody_tells_of_counts_as_missed_by_the_clock_of_the_tenant_and_can_be_told_of_later(
    customer: Running, api: "VisitServiceAsyncStub", user: User, plan: Plan
) -> None:
    closed = await new_account(customer, user)
    overdue, at_closed, to_come = await plan(), await plan(account_id=closed.id), await plan()
    restrict = accounts_pb2.RestrictAccountRequest(id=closed.id, reason="secret")
    await AccountServiceStub(customer.channel).RestrictAccount(restrict, metadata=user.metadata)
    put_off = timestamp(datetime.now(UTC) + timedelta(days=30))
    await api.UpdateVisit(retitled(to_come, planned_time=put_off), metadata=user.metadata)
    other = await customer.user()
    elsewhere = await plan(by=other, account_id=(await new_account(customer, other)).id)
    await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=timedelta(days=4), version=2)
    job = Missing(Tenants(customer.service.database, customer.service.clock))
    await asyncio.gather(job.look(), job.look())
    for visit, by, state in (
        (overdue, user, MISSED),
        (at_closed, user, MISSED),
        (to_come, user, PLANNED),
        (elsewhere, other, PLANNED),
    ):
        assert (await api.GetVisit(pb.GetVisitRequest(id=visit.id), metadata=by.metadata)).state == state
    told = await changes_of(customer, "visits", overdue.id, user.metadata)
    assert [each.action for each in told.changes] == ["MISSED", "CREATED"]
    done = await api.CompleteVisit(pb.CompleteVisitRequest(id=overdue.id), metadata=user.metadata)
    assert (done.state, done.completion) == (DONE, 100)


async def test_a_visit_that_is_looked_at_too_early_is_looked_at_again_when_its_time_has_come(
    customer: Running, user: User, plan: Plan
) -> None:
    planned = await plan()
    database, tenant_id = customer.service.database, user.tenant_id
    key = {"tenant_id": tenant_id, "visit_id": UUID(planned.id)}
    await database.all(tenant_id, move(), key | {"due_time": datetime(2020, 1, 1, tzinfo=UTC)})
    await Missing(Tenants(database, customer.service.clock)).look()
    (row,) = await database.all(tenant_id, due_time_of(), key)
    assert row["due_time"] == planned.overdue_time.ToDatetime(UTC)


async def test_the_share_of_visits_that_were_made_is_told_by_user_and_month(
    customer: Running, api: "VisitServiceAsyncStub", user: User, plan: Plan
) -> None:
    colleague = await customer.user(user.tenant_id, name="colleague")
    august, september = datetime(2026, 8, 12, 4, tzinfo=UTC), datetime(2026, 9, 2, 4, tzinfo=UTC)
    for owner, begins, verb in (
        (user, august, "done"),
        (user, august, "done"),
        (user, august, "missed"),
        (user, august, "cancelled"),
        (user, september, "missed"),
        (user, september, ""),
        (colleague, august, "done"),
    ):
        visit = await plan(owner_id=str(owner.id), at=begins)
        if verb == "done":
            await api.CompleteVisit(pb.CompleteVisitRequest(id=visit.id), metadata=user.metadata)
        elif verb == "missed":
            await api.MissVisit(pb.MissVisitRequest(id=visit.id, reason="ill"), metadata=user.metadata)
        elif verb == "cancelled":
            await api.CancelVisit(pb.CancelVisitRequest(id=visit.id), metadata=user.metadata)
    summary = await ResourceServiceStub(customer.channel).SummarizeRecords(
        resources_pb2.SummarizeRecordsRequest(
            collection="visits",
            group_by=["owner_id", "planned_time:month"],
            measures=["avg:completion"],
            filter="state IN (DONE, MISSED)",
        ),
        metadata=user.metadata,
    )
    found = {
        (each.key["owner_id"], each.key["planned_time:month"]): (each.count, round(float(each.figures[0].number)))
        for each in summary.groups
    }
    assert found == {
        (str(user.id), "2026-08-01"): (3, 67),
        (str(user.id), "2026-09-01"): (1, 0),
        (str(colleague.id), "2026-08-01"): (1, 100),
    }
