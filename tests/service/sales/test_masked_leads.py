"""How somebody in the pool is reached is seen by who claims the lead, and by who reaches all leads; nowhere else.

But for what the tenant shows of pooled leads to everybody.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from tests.service.running import Running, User
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales, emitted

PHONE, EMAIL = "+8613800138000", "wei@customer.test"
BEFORE = "+8613900139000"
SECRETS = (PHONE, EMAIL, BEFORE)
TEAM = {"leads.read": Scope.TEAM, "leads.write": Scope.TEAM}


@pytest.fixture
async def rep(sales: Running, user: User) -> User:
    return await sales.user(user.tenant_id, grants=TEAM)


@pytest.fixture(
    params=[(), ("email",), ("phone_number",), ("email", "phone_number")],
    ids=lambda shown: "+".join(shown) or "nothing",
)
async def shown(request: pytest.FixtureRequest, sales: Running, user: User) -> tuple[str, ...]:
    """The fields that the tenant shows of pooled leads."""
    fields: tuple[str, ...] = request.param
    if fields:
        await sales.know_tenant(user.tenant_id, unmasked_fields=[f"leads.{name}" for name in fields], version=2)
    return fields


@pytest.fixture
async def pooled(api: Sales, user: User, create: CreateLead) -> pb.Lead:
    """A lead that has had another number, and went into the pool."""
    lead = await create(phone_number=BEFORE, email=EMAIL)
    changed = pb.UpdateLeadRequest(
        lead=pb.Lead(id=lead.id, phone_number=PHONE), update_mask=FieldMask(paths=["phone_number"])
    )
    await api.leads.UpdateLead(changed, metadata=user.metadata)
    return await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="no time"), metadata=user.metadata)


def reads(api: Sales, sales: Running, lead: pb.Lead) -> list[Callable[[User], Awaitable[Message]]]:
    """Every way to read a lead."""
    records = ResourceServiceStub(sales.channel)
    as_of = resources_pb2.GetRecordAsOfRequest(collection="leads", id=lead.id)
    as_of.read_time.FromDatetime(lead.create_time.ToDatetime())
    asked: list[tuple[Any, Message]] = [
        (api.leads.GetLead, pb.GetLeadRequest(id=lead.id)),
        (api.leads.ListLeads, pb.ListLeadsRequest()),
        (records.ListRecordChanges, resources_pb2.ListRecordChangesRequest(collection="leads", id=lead.id)),
        (records.BatchGetRecords, resources_pb2.BatchGetRecordsRequest(collection="leads", ids=[lead.id])),
        (records.GetRecordAsOf, as_of),
    ]
    return [partial(read_as, call, request) for call, request in asked]


async def read_as(call: Any, request: Message, by: User) -> Message:
    answer: Message = await call(request, metadata=by.metadata)
    return answer


def told(answer: Message) -> list[str]:
    """Which of the secrets an answer holds."""
    data = answer.SerializeToString()
    return [secret for secret in SECRETS if secret.encode() in data]


def open_to_all(secret: str, shown: tuple[str, ...]) -> bool:
    """Whether the tenant shows the field that a secret is of."""
    return ("email" if secret == EMAIL else "phone_number") in shown


async def test_no_read_tells_how_to_reach_somebody_in_the_pool_but_for_what_the_tenant_shows(
    api: Sales, sales: Running, user: User, rep: User, pooled: pb.Lead, shown: tuple[str, ...]
) -> None:
    for read in reads(api, sales, pooled):
        answer = await read(rep)
        assert pooled.display_name.encode() in answer.SerializeToString() or "Changes" in answer.DESCRIPTOR.name
        whole = told(await read(user))
        assert whole
        assert told(answer) == [secret for secret in whole if open_to_all(secret, shown)]
    check = resources_pb2.BatchCheckRecordsRequest(collection="leads", ids=[pooled.id])
    records = ResourceServiceStub(sales.channel)
    (readable,) = (await records.BatchCheckRecords(check, metadata=rep.metadata)).readable
    assert list(readable.hidden_fields) == [name for name in ("email", "phone_number") if name not in shown]


@pytest.mark.parametrize("read_scope", [Scope.OWN, Scope.ALL, None])
@pytest.mark.parametrize("verb", ["UpdateLead", "RecordFollowUp", "DisqualifyLead"])
async def test_the_answer_to_a_write_tells_no_more_than_a_read_would(
    api: Sales, sales: Running, user: User, pooled: pb.Lead, verb: str, read_scope: Scope | None
) -> None:
    grants = {"leads.write": Scope.ALL} | ({"leads.read": read_scope} if read_scope else {})
    writer = await sales.user(user.tenant_id, grants=grants)
    requests: dict[str, Message] = {
        "UpdateLead": pb.UpdateLeadRequest(lead=pb.Lead(id=pooled.id, job_title="buyer")),
        "RecordFollowUp": pb.RecordFollowUpRequest(id=pooled.id, follow_up=pb.FollowUp(kind=pb.FollowUp.KIND_CALL)),
        "DisqualifyLead": pb.DisqualifyLeadRequest(id=pooled.id, reason="bankrupt"),
    }
    answer = await read_as(getattr(api.leads, verb), requests[verb], writer)
    assert pooled.display_name.encode() in answer.SerializeToString()
    assert bool(told(answer)) is (read_scope is Scope.ALL)


async def test_who_claims_a_lead_learns_how_to_reach_them(
    api: Sales, sales: Running, rep: User, pooled: pb.Lead
) -> None:
    claimed = await api.leads.ClaimLead(pb.ClaimLeadRequest(id=pooled.id), metadata=rep.metadata)
    assert (claimed.phone_number, claimed.email) == (PHONE, EMAIL)
    for read in reads(api, sales, pooled):
        assert told(await read(rep))


async def test_who_returns_a_lead_no_longer_sees_how_to_reach_them(
    api: Sales, sales: Running, rep: User, pooled: pb.Lead
) -> None:
    await api.leads.ClaimLead(pb.ClaimLeadRequest(id=pooled.id), metadata=rep.metadata)
    request = pb.ReturnLeadRequest(id=pooled.id, reason="no budget")
    assert not told(await api.leads.ReturnLead(request, metadata=rep.metadata))
    for read in reads(api, sales, pooled):
        assert not told(await read(rep))


@pytest.mark.parametrize(
    ("filter", "asked"),
    [
        (f'phone_number = "{PHONE}"', {"phone_number"}),
        (f'email = "{EMAIL}"', {"email"}),
        ('phone_number : "138"', {"phone_number"}),
        (f'phone_number != "{BEFORE}"', {"phone_number"}),
        (f'NOT email = "{BEFORE}"', {"email"}),
        (f'in_pool = true AND (email = "{EMAIL}" OR source = "x")', {"email"}),
        (f'email = "{EMAIL}" OR phone_number = "{PHONE}"', {"email", "phone_number"}),
    ],
)
async def test_no_filter_finds_who_is_in_the_pool_by_what_the_tenant_does_not_show(
    api: Sales,
    sales: Running,
    user: User,
    rep: User,
    pooled: pb.Lead,
    shown: tuple[str, ...],
    filter: str,
    asked: set[str],
) -> None:
    records = ResourceServiceStub(sales.channel)
    count = resources_pb2.CountRecordsRequest(collection="leads", filter=filter)
    facets = resources_pb2.CountRecordValuesRequest(collection="leads", field="state", filter=filter)
    summary = resources_pb2.SummarizeRecordsRequest(collection="leads", filter=filter)
    for by, found in ((rep, int(asked <= {*shown})), (user, 1)):
        page = await api.leads.ListLeads(pb.ListLeadsRequest(filter=filter), metadata=by.metadata)
        assert len(page.leads) == found
        assert (await records.CountRecords(count, metadata=by.metadata)).count == found
        assert (await records.CountRecordValues(facets, metadata=by.metadata)).total_count == found
        assert (await records.SummarizeRecords(summary, metadata=by.metadata)).total_count == found


async def test_ones_own_leads_are_found_by_how_they_are_reached(
    api: Sales, rep: User, create: CreateLead, pooled: pb.Lead
) -> None:
    own = await create(by=rep, phone_number=PHONE)
    page = await api.leads.ListLeads(pb.ListLeadsRequest(filter=f'phone_number = "{PHONE}"'), metadata=rep.metadata)
    assert [each.id for each in page.leads] == [own.id]
    assert page.leads[0].phone_number == PHONE


async def test_services_are_told_all_of_a_lead_in_the_pool(
    sales: Running, rep: User, create: CreateLead, pooled: pb.Lead
) -> None:
    fresh = await create(by=rep, to_pool=True, phone_number=PHONE)
    assert not fresh.phone_number
    (event,) = await emitted(sales, rep.tenant_id, fresh.id)
    assert isinstance(event, events_pb2.LeadCreated)
    assert event.lead.phone_number == PHONE
