"""Whom a conversion takes for whom: accounts and contacts that are there already, and those that come at once."""

import asyncio
from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2, timeline_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.timeline_pb2_grpc import TimelineServiceStub
from crm.sales.v1 import events_pb2
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope
from crm_sales.accounts.client import CustomerClient
from crm_sales.leads.servicer import LeadServicer

from tests.service.customer.customers import new_account, new_contact
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.sales.converting import Qualified, accounts_of, contacts_of
from tests.service.sales.selling import Sales, also_in, cny, emitted


async def convert(api: Sales, by: User, lead: pb.Lead, **fields: Any) -> pb.Lead:
    return await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id, **fields), metadata=by.metadata)


# --- accounts


@pytest.mark.parametrize(
    ("known", "typed"),
    [
        ("Huaxin Power", "HUAXIN  power"),
        ("华信（上海）电力有限公司", "华信(上海)电力 有限公司"),
        ("Xi’an “Star” Optics", 'Xi\'an "Star" Optics'),
        ("Café Müller", "Cafe\u0301 Mu\u0308ller"),
        ("Ｈｕａｘｉｎ－１", "Huaxin-1"),
        ("Rail–Tech", "Rail-Tech"),
    ],
)
async def test_a_company_is_known_however_its_name_is_typed(
    api: Sales, seller: User, qualified: Qualified, customer: Running, known: str, typed: str
) -> None:
    account = await new_account(customer, seller, display_name=known)
    for name in (typed, known):
        converted = await convert(api, seller, await qualified(company_name=name))
        assert converted.account_id == account.id
    assert len(await accounts_of(customer, seller)) == 1


async def test_companies_that_are_called_otherwise_stay_apart(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    names = ["华信电力有限公司", "华信电力股份有限公司", "华信电力", "Huaxin Power 2"]
    converted = [await convert(api, seller, await qualified(company_name=name)) for name in names]
    assert len({each.account_id for each in converted}) == len(names)


async def test_many_leads_of_one_new_company_at_once_make_one_account(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    names = ["Huaxin Power", "HUAXIN POWER", "Huaxin  Power", "ｈｕａｘｉｎ power", "huaxin power"]
    leads = [await qualified(company_name=name, display_name=f"person {index}") for index, name in enumerate(names)]
    converted = await asyncio.gather(*(convert(api, seller, lead) for lead in leads))
    assert {each.account_id for each in converted} == {(await accounts_of(customer, seller))[0].id}
    assert len(await accounts_of(customer, seller)) == 1
    assert len(await contacts_of(customer, seller)) == len(leads)


async def test_many_leads_of_one_person_at_once_make_one_contact(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    leads = [await qualified() for _ in range(5)]
    converted = await asyncio.gather(*(convert(api, seller, lead) for lead in leads))
    assert len({each.contact_id for each in converted}) == 1
    assert len(await contacts_of(customer, seller)) == 1


async def test_an_account_and_a_contact_that_are_found_keep_their_owner_and_all_they_had(
    api: Sales, seller: User, qualified: Qualified, customer: Running, sales: Running
) -> None:
    other = await customer.user(seller.tenant_id)
    await also_in(sales, other)
    account = await new_account(customer, other, region_code="CN-GD", phone_numbers=["+8675586661234"], source="展会")
    contact = await new_contact(customer, other, account.id, display_name="王伟", emails=["wang@huaxin.example"])
    lead = await qualified(region_code="CN-SH", source="web", job_title="buyer")
    converted = await convert(api, seller, lead)
    assert (converted.account_id, converted.contact_id) == (account.id, contact.id)
    assert await accounts_of(customer, other) == [account]
    assert await contacts_of(customer, other) == [contact]


async def test_a_company_whose_account_was_put_away_gets_a_new_one(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    first = await convert(api, seller, await qualified())
    request = accounts_pb2.ArchiveAccountRequest(id=first.account_id)
    await AccountServiceStub(customer.channel).ArchiveAccount(request, metadata=seller.metadata)
    again = await convert(api, seller, await qualified())
    assert again.account_id != first.account_id
    assert [each.id for each in await accounts_of(customer, seller)] == [again.account_id]


# --- contacts


@pytest.mark.parametrize(
    ("known", "same"),
    [
        ({"emails": ["WANG@Huaxin.example"]}, True),
        ({"emails": ["WANG@Huaxin.example"], "phone_numbers": ["+8613900139000"]}, True),
        ({"phone_numbers": ["+8613800138000"], "emails": ["other@huaxin.example"]}, True),
        ({"phone_numbers": ["+8613900139000"], "emails": ["other@huaxin.example"]}, False),
        ({"phone_numbers": ["+8613900139000"]}, False),
        ({"emails": ["other@huaxin.example"]}, False),
        ({}, True),
        ({"display_name": "王 伟"}, True),
        ({"display_name": "李娜", "emails": ["wang@huaxin.example"]}, False),
    ],
)
async def test_a_person_is_the_contact_of_the_name_whom_nothing_tells_apart(
    api: Sales, seller: User, qualified: Qualified, customer: Running, known: dict[str, Any], same: bool
) -> None:
    account = await new_account(customer, seller)
    contact = await new_contact(customer, seller, account.id, **{"display_name": "王伟"} | known)
    converted = await convert(api, seller, await qualified())
    assert (converted.contact_id == contact.id) is same
    assert len(await contacts_of(customer, seller)) == (1 if same else 2)


async def test_of_two_of_one_name_it_is_the_one_whose_address_it_is(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    account = await new_account(customer, seller)
    right = await new_contact(customer, seller, account.id, display_name="王伟", emails=["Wang@Huaxin.Example"])
    await new_contact(customer, seller, account.id, display_name="王伟")
    assert (await convert(api, seller, await qualified())).contact_id == right.id


# --- the next try


class CrashError(Exception):
    """The process ends here."""


class Crashing(CustomerClient):
    """Ends before it has looked for the contact."""

    async def find_or_create_contact(self, *_asked: object, **_named: object) -> Any:
        raise CrashError


async def test_the_account_that_the_next_try_names_is_the_one_it_becomes_part_of(
    api: Sales, seller: User, qualified: Qualified, customer: Running, sales: Running
) -> None:
    servicer = next(each for each in sales.service.servicers if isinstance(each, LeadServicer))
    right = await new_account(customer, seller, display_name="別の会社")
    lead, working = await qualified(), servicer._customer
    servicer._customer = Crashing(working._peer)
    try:
        with refused("INTERNAL", "INTERNAL"):
            await convert(api, seller, lead)
    finally:
        servicer._customer = working
    begun = await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=seller.metadata)
    assert begun.account_id not in ("", right.id)
    converted = await convert(api, seller, lead, account_id=right.id)
    assert (converted.account_id, converted.state) == (right.id, pb.Lead.STATE_CONVERTED)
    (contact,) = await contacts_of(customer, seller)
    assert [link.account_id for link in contact.accounts] == [right.id]


async def test_an_amount_that_is_refused_leaves_nothing_behind(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    lead = await qualified()
    nowhere = cny("1")
    nowhere.currency_code = "ZZZ"
    for amount in (cny("-1"), cny("0.001"), nowhere):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await convert(api, seller, lead, amount=amount)
    assert await accounts_of(customer, seller) == []
    assert await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=seller.metadata) == lead


# --- follow-ups


async def follow_up(api: Sales, by: User, lead: pb.Lead, note: str) -> None:
    told = pb.FollowUp(kind=pb.FollowUp.KIND_VISIT, note=note)
    request = pb.RecordFollowUpRequest(id=lead.id, follow_up=told)
    await api.leads.RecordFollowUp(request, metadata=by.metadata)


async def test_notes_of_follow_ups_are_read_newest_first_page_by_page(
    api: Sales, seller: User, qualified: Qualified, sales: Running
) -> None:
    lead = await qualified()
    for number in range(3):
        await follow_up(api, seller, lead, f"note {number}")
    request, notes = pb.ListFollowUpsRequest(id=lead.id, page_size=2), []
    while True:
        page = await api.leads.ListFollowUps(request, metadata=seller.metadata)
        notes += [each.note for each in page.follow_ups]
        assert {each.user_id for each in page.follow_ups} == {str(seller.id)}
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    assert notes == ["note 2", "note 1", "note 0", ""]
    reader = await sales.user(seller.tenant_id, grants={"leads.read": Scope.OWN})
    for stranger in (reader, await sales.user()):
        with refused("NOT_FOUND", "LEAD_NOT_FOUND"):
            await api.leads.ListFollowUps(pb.ListFollowUpsRequest(id=lead.id), metadata=stranger.metadata)
    await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="no time"), metadata=seller.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.leads.ListFollowUps(pb.ListFollowUpsRequest(id=lead.id), metadata=reader.metadata)


async def test_follow_ups_of_a_converted_lead_are_on_the_timeline_of_its_account(
    api: Sales, seller: User, qualified: Qualified, customer: Running, sales: Running
) -> None:
    lead = await qualified()
    await follow_up(api, seller, lead, "wants two boilers")
    listed = await api.leads.ListFollowUps(pb.ListFollowUpsRequest(id=lead.id), metadata=seller.metadata)
    converted = await convert(api, seller, lead)
    assert converted == await convert(api, seller, lead)
    (told,) = [
        event
        for event in await emitted(sales, seller.tenant_id, listed.follow_ups[0].id)
        if isinstance(event, events_pb2.FollowUpConverted)
    ]
    assert (told.account_id, told.lead_id) == (converted.account_id, lead.id)
    timeline = TimelineServiceStub(customer.channel)
    request = timeline_pb2.ListTimelineRequest(account_id=converted.account_id, filter="kind = FOLLOW_UP_CONVERTED")

    async def both() -> list[timeline_pb2.TimelineEntry]:
        entries = list((await timeline.ListTimeline(request, metadata=seller.metadata)).entries)
        return entries if len(entries) == 2 else []

    visit, call = await eventually(both)
    assert {detail.name: detail.value for detail in visit.details} == {
        "kind": "VISIT",
        "note": "wants two boilers",
        "lead_id": lead.id,
    }
    assert (visit.title, visit.actor_id) == (lead.display_name, str(seller.id))
    assert visit.entry_time == listed.follow_ups[0].happen_time
    assert call.entry_time == listed.follow_ups[1].happen_time


@pytest.mark.parametrize("name", ["王伟", "3 Li", "7"])
async def test_a_private_person_is_found_by_name_and_phone_however_many_have_the_name(
    api: Sales, seller: User, qualified: Qualified, customer: Running, name: str
) -> None:
    async def person(phone_number: str) -> accounts_pb2.Account:
        values = {"kind": accounts_pb2.Account.KIND_PERSON, "display_name": name, "phone_numbers": [phone_number]}
        return await new_account(customer, seller, **values)

    others = (person(f"+86139001380{number:02}") for number in range(70))
    await asyncio.gather(*others)
    known = await person("+8613800138000")
    lead = await qualified(display_name=name, company_name="")
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert converted.account_id == known.id


async def test_a_person_at_an_account_is_found_however_many_have_the_name_elsewhere(
    api: Sales, seller: User, qualified: Qualified, customer: Running
) -> None:
    here = await new_account(customer, seller)
    elsewhere = await new_account(customer, seller, display_name="别处有限公司")
    known = await new_contact(customer, seller, here.id, display_name="王伟")
    # More than are on the longest page, one after the other: they are all at one account.
    for _ in range(201):
        await new_contact(customer, seller, elsewhere.id, display_name="王伟")
    lead = await qualified()
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert (converted.account_id, converted.contact_id) == (here.id, known.id)


async def test_nobody_takes_over_what_others_make_of_a_lead_by_knowing_its_id(
    api: Sales, seller: User, qualified: Qualified, customer: Running, sales: Running
) -> None:
    lead = await qualified()
    other = await sales.user(seller.tenant_id)
    await also_in(customer, other, grants=dict.fromkeys(("accounts.read", "accounts.write"), Scope.OWN))
    key = accounts_pb2.ExternalId(source="lead", value=lead.id)
    theirs = await new_account(customer, other, display_name="别处有限公司", external_ids=[key])
    converted = await convert(api, seller, lead)
    assert converted.account_id != theirs.id
