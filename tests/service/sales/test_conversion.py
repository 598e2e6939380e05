"""Converting a lead with the customer service running: once, however often it is asked and wherever it stops."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2, opportunities_pb2
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.database.work import UnitOfWork
from crm_kit.identity.access import Scope
from crm_kit.rpc.clients import ServiceClient
from crm_sales.accounts.client import CustomerClient
from crm_sales.accounts.model import Earlier, NewAccount, NewContact
from crm_sales.leads import conversion
from crm_sales.leads.model import Lead
from crm_sales.leads.servicer import LeadServicer

from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.converting import Qualified, accounts_of, contacts_of
from tests.service.sales.crashing import Crashing
from tests.service.sales.selling import Sales, also_in, cny, emitted, names_of


class Blind(CustomerClient):
    """Finds nothing before it creates, as when two search before either has created."""

    async def _named_account(self, wanted: NewAccount) -> None:
        return None

    async def _named_contact(self, wanted: NewContact, earlier: Earlier[NewContact]) -> None:
        return None


@pytest.fixture
def servicer(sales: Running) -> Iterator[LeadServicer]:
    found = next(each for each in sales.service.servicers if isinstance(each, LeadServicer))
    before = found._customer
    yield found
    found._customer = before


async def check_once(api: Sales, customer: Running, user: User, lead: pb.Lead) -> None:
    """One account, one contact there, one opportunity with it."""
    assert lead.state == pb.Lead.STATE_CONVERTED
    assert [each.id for each in await accounts_of(customer, user)] == [lead.account_id]
    (contact,) = await contacts_of(customer, user)
    assert (contact.id, contact.accounts[0].account_id) == (lead.contact_id, lead.account_id)
    page = await api.opportunities.ListOpportunities(
        opportunities_pb2.ListOpportunitiesRequest(), metadata=user.metadata
    )
    (opportunity,) = page.opportunities
    assert (opportunity.id, opportunity.lead_id) == (lead.opportunity_id, lead.id)
    assert opportunity.account_id == lead.account_id


async def test_a_conversion_names_what_it_has_just_made_whenever_the_events_of_it_come(
    api: Sales, seller: User, qualified: Qualified, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await qualified()
    for followed in ("crm_kit.accounts", "crm_kit.contacts"):
        monkeypatch.setattr(f"{followed}.put_newest", lambda *_: None)
    request = pb.ConvertLeadRequest(id=lead.id, opportunity_name="Boiler")
    converted = await api.leads.ConvertLead(request, metadata=seller.metadata)
    named = (converted.account_name, converted.contact_name, converted.opportunity_name)
    assert named == (lead.company_name, "王伟", "Boiler")
    assert await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=seller.metadata) == converted


async def test_a_qualified_lead_becomes_account_contact_and_opportunity(
    api: Sales, seller: User, qualified: Qualified, customer: Running, sales: Running
) -> None:
    lead = await qualified(source="fair", job_title="buyer")
    request = pb.ConvertLeadRequest(id=lead.id, etag=lead.etag, opportunity_name="Boiler", amount=cny("5000"))
    converted = await api.leads.ConvertLead(request, metadata=seller.metadata)
    await check_once(api, customer, seller, converted)
    (account,) = await accounts_of(customer, seller)
    assert (account.display_name, account.kind) == (lead.company_name, accounts_pb2.Account.KIND_ORGANIZATION)
    (contact,) = await contacts_of(customer, seller)
    assert (contact.display_name, list(contact.phone_numbers)) == ("王伟", ["+8613800138000"])
    assert names_of(await emitted(sales, seller.tenant_id, lead.id)) == [
        "LeadCreated",
        "LeadFollowedUp",
        "LeadQualified",
        "LeadConversionStarted",
        "LeadConversionAdvanced",
        "LeadConversionAdvanced",
        "LeadConverted",
    ]
    assert names_of(await emitted(sales, seller.tenant_id, converted.opportunity_id)) == ["OpportunityCreated"]
    # Again, without a key: it stays what it is.
    again = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert nameless(again) == nameless(converted)


async def test_a_lead_that_is_not_qualified_is_not_converted(
    api: Sales, seller: User, create: CreateLead, customer: Running
) -> None:
    lead = await create(by=seller)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert await accounts_of(customer, seller) == []


@pytest.mark.parametrize("amount", ["-1", "0.001"])
async def test_an_amount_that_no_opportunity_can_have_is_refused_before_anything_is_created(
    api: Sales, seller: User, qualified: Qualified, customer: Running, amount: str
) -> None:
    lead = await qualified()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id, amount=cny(amount)), metadata=seller.metadata)
    assert refusal.fields[0].startswith("amount")
    assert await accounts_of(customer, seller) == []


async def test_a_company_that_is_known_is_found_and_not_created_again(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    known = accounts_pb2.Account(kind=accounts_pb2.Account.KIND_ORGANIZATION, display_name="华信电力有限公司")
    account = await AccountServiceStub(customer.channel).CreateAccount(
        accounts_pb2.CreateAccountRequest(account=known), metadata=seller.metadata
    )
    lead = await qualified()
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert converted.account_id == account.id
    await check_once(api, customer, seller, converted)


async def test_a_private_person_becomes_an_account_of_their_own(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    lead = await qualified(company_name="", display_name='Wang "Wei" \\ Co')
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    await check_once(api, customer, seller, converted)
    (account,) = await accounts_of(customer, seller)
    assert account.kind == accounts_pb2.Account.KIND_PERSON


@pytest.mark.parametrize("crash_at", [("account",), ("contact",), ("account", "contact")])
@pytest.mark.parametrize("finds", [True, False])
async def test_after_a_crash_it_goes_on_and_creates_nothing_twice(
    api: Sales,
    seller: User,
    qualified: Qualified,
    customer: Running,
    servicer: LeadServicer,
    crash_at: tuple[str, ...],
    finds: bool,
) -> None:
    lead = await qualified()
    peer = servicer._customer._peer
    kind = Crashing if finds else type("BlindAndCrashing", (Crashing, Blind), {})
    servicer._customer = kind(peer, *crash_at)
    for _ in crash_at:
        with refused("INTERNAL", "INTERNAL"):
            await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.with_key("k"))
        # In the middle of it nobody says that the lead will not buy.
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await api.leads.DisqualifyLead(pb.DisqualifyLeadRequest(id=lead.id, reason="x"), metadata=seller.metadata)
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.with_key("k"))
    await check_once(api, customer, seller, converted)


@pytest.mark.parametrize("finds", [True, False])
async def test_ten_conversions_at_once_convert_it_once(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer, finds: bool
) -> None:
    lead = await qualified()
    if not finds:
        servicer._customer = Blind(servicer._customer._peer)

    async def convert() -> pb.Lead | None:
        try:
            return await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
        except grpc.aio.AioRpcError as error:
            # Others were at it at the same time, again and again: it may be asked once more.
            assert error.code() is grpc.StatusCode.ABORTED
            return None

    answers = [each for each in await asyncio.gather(*(convert() for _ in range(10))) if each]
    assert answers
    # The account is called by its name as soon as its event is here.
    assert all(nameless(each) == nameless(answers[0]) for each in answers)
    await check_once(api, customer, seller, answers[0])


async def test_somebody_else_does_not_convert_at_the_same_time(
    api: Sales, seller: User, qualified: Qualified, customer: Running, sales: Running, servicer: LeadServicer
) -> None:
    lead = await qualified()
    other = await sales.user(seller.tenant_id)
    await also_in(customer, other)
    servicer._customer = Crashing(servicer._customer._peer, "account")
    with refused("INTERNAL", "INTERNAL"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    with refused("FAILED_PRECONDITION", "CONVERSION_UNDER_WAY"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=other.metadata)
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    await check_once(api, customer, seller, converted)


async def test_who_may_not_create_accounts_is_told_so_and_the_lead_is_free_again(
    api: Sales, create: CreateLead, customer: Running, sales: Running
) -> None:
    user = await sales.user()
    await also_in(customer, user, grants={"accounts.read": Scope.ALL})
    lead = await create(by=user)
    call = pb.RecordFollowUpRequest(id=lead.id, follow_up=pb.FollowUp(kind=pb.FollowUp.KIND_CALL))
    await api.leads.RecordFollowUp(call, metadata=user.metadata)
    await api.leads.QualifyLead(pb.QualifyLeadRequest(id=lead.id), metadata=user.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=user.metadata)
    returned = await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="x"), metadata=user.metadata)
    assert returned.in_pool
    events = await emitted(sales, user.tenant_id, lead.id)
    assert names_of(events)[-2:] == ["LeadConversionAbandoned", "LeadReturned"]


async def test_who_may_not_write_opportunities_is_told_so_before_anything_is_created(
    api: Sales, create: CreateLead, customer: Running, sales: Running
) -> None:
    user = await sales.user(grants={"leads.read": Scope.OWN, "leads.write": Scope.OWN})
    await also_in(customer, user)
    lead = await create(by=user)
    call = pb.RecordFollowUpRequest(id=lead.id, follow_up=pb.FollowUp(kind=pb.FollowUp.KIND_CALL))
    await api.leads.RecordFollowUp(call, metadata=user.metadata)
    lead = await api.leads.QualifyLead(pb.QualifyLeadRequest(id=lead.id), metadata=user.metadata)
    told = await ResourceServiceStub(sales.channel).GetRecordActions(
        resources_pb2.GetRecordActionsRequest(collection="leads", id=lead.id), metadata=user.metadata
    )
    assert [each.reason for each in told.actions if each.verb == "convert"] == ["PERMISSION_DENIED"]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=user.metadata)
    assert await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=user.metadata) == lead
    assert await accounts_of(customer, user) == []


@pytest.mark.parametrize("before", ["record", "finish"])
async def test_an_attempt_that_another_one_ended_is_never_answered_as_done(
    api: Sales,
    seller: User,
    qualified: Qualified,
    customer: Running,
    monkeypatch: pytest.MonkeyPatch,
    before: str,
) -> None:
    lead = await qualified()
    goes_on: Callable[..., Awaitable[pb.Lead]] = getattr(conversion, before)

    async def ended_before(work: UnitOfWork, id: UUID, *rest: Any) -> pb.Lead:
        abandoned = events_pb2.LeadConversionAbandoned
        await conversion.step(work, id, Lead.abandon_conversion, abandoned, reason="said no")
        return await goes_on(work, id, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(conversion, before, ended_before)
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.with_key("k"))
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.with_key("k"))
    await check_once(api, customer, seller, converted)


async def test_when_the_customer_service_is_silent_it_can_be_asked_again(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer
) -> None:
    lead = await qualified()
    there = servicer._customer
    nowhere = ServiceClient("127.0.0.1:1")
    servicer._customer = CustomerClient(nowhere)
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    await nowhere.close()
    servicer._customer = there
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    await check_once(api, customer, seller, converted)
