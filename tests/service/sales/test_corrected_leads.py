"""Leads that are corrected, or whose account is put away, between two attempts to convert them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_sales.leads.reclaim import Reclaim
from crm_sales.leads.servicer import LeadServicer
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.sales.converting import Qualified, accounts_of, contacts_of
from tests.service.sales.crashing import Crashing
from tests.service.sales.selling import Sales, also_in


@pytest.fixture
def servicer(sales: Running) -> Iterator[LeadServicer]:
    found = next(each for each in sales.service.servicers if isinstance(each, LeadServicer))
    before = found._customer
    yield found
    found._customer = before


async def test_a_conversion_that_nobody_goes_on_with_is_given_up_and_the_lead_protected_again(
    api: Sales, seller: User, qualified: Qualified, servicer: LeadServicer, sales: Running
) -> None:
    lead = await qualified()
    servicer._customer = Crashing(servicer._customer._peer, "contact")
    with refused("INTERNAL", "INTERNAL"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    get = pb.GetLeadRequest(id=lead.id)
    stopped = await api.leads.GetLead(get, metadata=seller.metadata)
    assert stopped.account_id
    # Only the runs of this test see the time as passed.
    run = Reclaim(Tenants(sales.service.database, sales.service.clock), every_seconds=3600)
    now = system_now()
    await run.reclaim(seller.tenant_id, now + timedelta(minutes=50))
    assert nameless(await api.leads.GetLead(get, metadata=seller.metadata)) == nameless(stopped)
    await run.reclaim(seller.tenant_id, now + timedelta(minutes=70))
    free = await api.leads.GetLead(get, metadata=seller.metadata)
    assert (free.account_id, free.safe_until_time) == ("", lead.safe_until_time)
    # What it had created is found again.
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert converted.account_id == stopped.account_id


async def given_up(sales: Running, user: User) -> None:
    """Two hours go by, for the attempts at conversions alone."""
    run = Reclaim(Tenants(sales.service.database, sales.service.clock), every_seconds=3600)
    await run.reclaim(user.tenant_id, system_now() + timedelta(hours=2))


@pytest.mark.parametrize("stopped_at", ["account", "contact"])
async def test_a_lead_that_was_corrected_after_an_attempt_was_given_up_is_converted_as_it_is_now(
    api: Sales,
    seller: User,
    qualified: Qualified,
    customer: Running,
    servicer: LeadServicer,
    sales: Running,
    stopped_at: str,
) -> None:
    lead = await qualified()
    servicer._customer = Crashing(servicer._customer._peer, stopped_at)
    with refused("INTERNAL", "INTERNAL"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    await given_up(sales, seller)
    corrected = pb.Lead(id=lead.id, display_name="王大伟", company_name="华信电气有限公司")
    await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=corrected), metadata=seller.metadata)
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert converted.state == pb.Lead.STATE_CONVERTED
    # The account and the contact are those that the lead names now; what was made before is left as it was.
    named = {each.id: each.display_name for each in await accounts_of(customer, seller)}
    assert named.pop(converted.account_id) == "华信电气有限公司"
    assert list(named.values()) == ["华信电力有限公司"]
    names = {each.id: each.display_name for each in await contacts_of(customer, seller)}
    assert names[converted.contact_id] == "王大伟"


async def test_a_company_name_that_was_corrected_is_that_of_the_customer(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer, sales: Running
) -> None:
    """Also where the conversion ended for good in between, and where the company is known by its right name."""
    lead, other = [await qualified(company_name="Foo Wrong") for _ in range(2)]
    servicer._customer = Crashing(servicer._customer._peer, "contact")
    with refused("INTERNAL", "INTERNAL"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    await given_up(sales, seller)
    for each in (lead, other):
        corrected = pb.Lead(id=each.id, company_name="Bar Right")
        mask = FieldMask(paths=["company_name"])
        await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=corrected, update_mask=mask), metadata=seller.metadata)
    converted = [
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=each.id), metadata=seller.metadata)
        for each in (lead, other)
    ]
    assert {each.account_name for each in converted} == {"Bar Right"}
    named = sorted(each.display_name for each in await accounts_of(customer, seller))
    assert named == ["Bar Right", "Foo Wrong"]


async def stopped(api: Sales, seller: User, servicer: LeadServicer, sales: Running, lead: pb.Lead) -> None:
    """A conversion that loses the answer about the contact, and that nobody goes on with."""
    servicer._customer = Crashing(servicer._customer._peer, "contact")
    with refused("INTERNAL", "INTERNAL"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    await given_up(sales, seller)


async def corrected(api: Sales, seller: User, lead: pb.Lead, **fields: Any) -> pb.Lead:
    """The lead converted with these values in place of others."""
    request = pb.UpdateLeadRequest(lead=pb.Lead(id=lead.id, **fields), update_mask=FieldMask(paths=list(fields)))
    await api.leads.UpdateLead(request, metadata=seller.metadata)
    return await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)


RIGHT = {"phone_number": "+8613900000002", "email": "right@a.example"}


@pytest.mark.parametrize("names", [["phone_number", "email"], ["phone_number"], ["email"]])
async def test_what_was_corrected_of_a_private_person_is_corrected_in_account_and_contact(
    api: Sales,
    seller: User,
    qualified: Qualified,
    customer: Running,
    servicer: LeadServicer,
    sales: Running,
    names: list[str],
) -> None:
    wrong = {"phone_number": "+8613800000001", "email": "wrong@a.example"}
    lead = await qualified(company_name="", display_name="王大伟", **wrong)
    await stopped(api, seller, servicer, sales, lead)
    right = {name: RIGHT[name] for name in names}
    converted = await corrected(api, seller, lead, **right)
    (account,), (contact,) = await accounts_of(customer, seller), await contacts_of(customer, seller)
    assert (converted.account_id, converted.contact_id) == (account.id, contact.id)
    expected = wrong | right
    for each in (account, contact):
        assert [*each.phone_numbers, *each.emails] == [expected["phone_number"], expected["email"]]


async def test_what_was_corrected_of_the_person_at_a_company_is_corrected_in_the_contact_however_often(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer, sales: Running
) -> None:
    lead = await qualified(display_name="王伟", phone_number="+8613800000001", job_title="经理")
    await stopped(api, seller, servicer, sales, lead)
    request = pb.UpdateLeadRequest(lead=pb.Lead(id=lead.id, display_name="王大伟", job_title="总经理"))
    await api.leads.UpdateLead(request, metadata=seller.metadata)
    await stopped(api, seller, servicer, sales, lead)
    converted = await corrected(api, seller, lead, phone_number=RIGHT["phone_number"])
    (contact,) = await contacts_of(customer, seller)
    assert (contact.id, contact.display_name, contact.job_title) == (converted.contact_id, "王大伟", "总经理")
    assert list(contact.phone_numbers) == [RIGHT["phone_number"]]


async def test_who_was_there_before_the_lead_keeps_the_number_that_the_lead_had_by_mistake(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer, sales: Running
) -> None:
    first = await qualified(display_name="王伟", phone_number="+8613800000001", email="")
    known = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=first.id), metadata=seller.metadata)
    lead = await qualified(display_name="王伟", phone_number="+8613800000001", email="")
    await stopped(api, seller, servicer, sales, lead)
    converted = await corrected(api, seller, lead, phone_number=RIGHT["phone_number"])
    numbers = {each.id: list(each.phone_numbers) for each in await contacts_of(customer, seller)}
    assert numbers == {known.contact_id: ["+8613800000001"], converted.contact_id: [RIGHT["phone_number"]]}


async def test_a_person_whose_company_had_their_name_by_mistake_becomes_a_person(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer, sales: Running
) -> None:
    lead = await qualified(company_name="王大伟", display_name="王大伟", phone_number="+8613800000001")
    await stopped(api, seller, servicer, sales, lead)
    converted = await corrected(api, seller, lead, company_name="")
    kinds = {each.id: each.kind for each in await accounts_of(customer, seller)}
    assert kinds[converted.account_id] == accounts_pb2.Account.KIND_PERSON


async def test_when_the_account_of_the_lead_is_put_away_it_is_said_at_once_and_another_can_be_named(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer, sales: Running
) -> None:
    lead = await qualified()
    servicer._customer = Crashing(servicer._customer._peer, "account")
    with refused("INTERNAL", "INTERNAL"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    await given_up(sales, seller)
    (account,) = await accounts_of(customer, seller)
    stub = AccountServiceStub(customer.channel)
    await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=account.id), metadata=seller.metadata)
    other = await sales.user(seller.tenant_id)
    await also_in(customer, other)
    with refused("FAILED_PRECONDITION", "LEAD_ACCOUNT_NOT_VISIBLE"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=other.metadata)
    # Nothing keeps the lead: it can be changed, and converted with an account that is named.
    changed = pb.Lead(id=lead.id, description="called")
    await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=changed), metadata=seller.metadata)
    named = await new_account(customer, seller, display_name="华信电气有限公司")
    request = pb.ConvertLeadRequest(id=lead.id, account_id=named.id)
    converted = await api.leads.ConvertLead(request, metadata=other.metadata)
    assert (converted.state, converted.account_id) == (pb.Lead.STATE_CONVERTED, named.id)
