"""What a conversion that was broken off keeps from others: the lead for two minutes, the pool's rules not at all."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from crm.sales.v1 import leads_pb2 as pb
from crm.sales.v1 import opportunities_pb2
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_sales.accounts.client import CustomerClient
from crm_sales.leads.reclaim import Reclaim
from crm_sales.leads.servicer import LeadServicer

from tests.service.running import Running, User, refused
from tests.service.sales.converting import Qualified, accounts_of
from tests.service.sales.selling import Sales, also_in
from tests.service.sales.test_conversion_turns import lapsed

MINUTE = timedelta(minutes=1)


class CrashError(Exception):
    """The process ends here."""


class Crashing(CustomerClient):
    """Ends when the account is known, and the contact is not."""

    async def find_or_create_contact(self, *_asked: object, **_named: object) -> Any:
        raise CrashError


@pytest.fixture
def crashing(sales: Running) -> Iterator[None]:
    servicer = next(each for each in sales.service.servicers if isinstance(each, LeadServicer))
    before = servicer._customer
    servicer._customer = Crashing(before._peer)
    yield
    servicer._customer = before


async def break_off(api: Sales, by: User, lead: pb.Lead) -> pb.Lead:
    with refused("INTERNAL", "INTERNAL"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=by.metadata)
    stopped = await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=by.metadata)
    assert stopped.account_id
    return stopped


async def move_clock(sales: Running, user: User, offset: timedelta, version: int) -> None:
    await sales.know_tenant(user.tenant_id, sandbox=True, clock_offset=offset, version=version)


@pytest.mark.usefixtures("crashing")
@pytest.mark.parametrize("verb", ["disqualify", "update"])
async def test_whoever_may_do_so_ends_an_attempt_that_stopped_two_minutes_ago(
    api: Sales, seller: User, qualified: Qualified, sales: Running, verb: str
) -> None:
    lead, manager = await qualified(), await sales.user(seller.tenant_id)

    async def act() -> pb.Lead:
        calls: dict[str, tuple[Any, Any]] = {
            "disqualify": (api.leads.DisqualifyLead, pb.DisqualifyLeadRequest(id=lead.id, reason="x")),
            "update": (api.leads.UpdateLead, pb.UpdateLeadRequest(lead=pb.Lead(id=lead.id, job_title="buyer"))),
        }
        call, request = calls[verb]
        moved: pb.Lead = await call(request, metadata=manager.metadata)
        return moved

    await break_off(api, seller, lead)
    await move_clock(sales, seller, MINUTE, 2)
    # Going on with it gains no time.
    await break_off(api, seller, lead)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await act()
    await move_clock(sales, seller, 2 * MINUTE, 3)
    moved = await act()
    assert moved.account_id == ""


@pytest.mark.usefixtures("crashing")
async def test_attempts_that_are_broken_off_do_not_keep_a_lead_from_the_pool(
    api: Sales, seller: User, qualified: Qualified, sales: Running
) -> None:
    lead = await qualified()
    safe_until = lead.safe_until_time.ToDatetime(tzinfo=UTC)
    run = Reclaim(Tenants(sales.service.database, sales.service.clock), every_seconds=3600)
    for version, before_end in enumerate((45 * MINUTE, 20 * MINUTE, MINUTE), start=2):
        await move_clock(sales, seller, safe_until - before_end - system_now(), version)
        await break_off(api, seller, lead)
    # The last attempt may end, and has no time beyond that.
    latest: datetime = safe_until + 2 * MINUTE
    await run.reclaim(seller.tenant_id, latest)
    taken_back = await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=seller.metadata)
    assert (taken_back.in_pool, taken_back.account_id) == (True, "")


# --- who has the right to take the lead away


class Held(CustomerClient):
    """Does nothing with the account it found or created until it is let go, as long as it holds."""

    def __init__(self, working: CustomerClient) -> None:
        super().__init__(working._peer)
        self.holds = True
        self._found = asyncio.Queue[asyncio.Event]()

    async def find_or_create_account(self, *asked: Any, **named: Any) -> Any:
        found = await super().find_or_create_account(*asked, **named)
        if self.holds:
            go_on = asyncio.Event()
            self._found.put_nowait(go_on)
            await go_on.wait()
        return found

    async def next(self) -> asyncio.Event:
        """What lets the next one go that has found its account."""
        return await asyncio.wait_for(self._found.get(), 60)


@pytest.fixture
def held(sales: Running) -> Iterator[Held]:
    servicer = next(each for each in sales.service.servicers if isinstance(each, LeadServicer))
    working = servicer._customer
    servicer._customer = stopped = Held(working)
    yield stopped
    servicer._customer = working


async def take_away(api: Sales, by: User, lead: pb.Lead, verb: str) -> pb.Lead:
    if verb == "return":
        return await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="x"), metadata=by.metadata)
    owner_id = lead.owner_id if verb == "assign to its owner" else str(by.id)
    return await api.leads.AssignLead(pb.AssignLeadRequest(id=lead.id, owner_id=owner_id), metadata=by.metadata)


TAKING = ["assign", "assign to its owner", "return"]


@pytest.mark.parametrize("verb", TAKING)
async def test_a_lead_that_is_taken_from_a_conversion_stays_where_it_is_however_late_that_goes_on(
    api: Sales, sales: Running, seller: User, customer: Running, qualified: Qualified, held: Held, verb: str
) -> None:
    lead, manager = await qualified(), await sales.user(seller.tenant_id)

    async def convert(by: User) -> pb.Lead:
        return await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=by.metadata)

    converting = asyncio.create_task(convert(seller))
    go_on, held.holds = await held.next(), False
    taken = await take_away(api, manager, lead, verb)
    go_on.set()
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await converting
    assert "conversion" in refusal.detail
    now = await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=manager.metadata)
    assert (now.state, now.owner_id, now.account_id) == (pb.Lead.STATE_QUALIFIED, taken.owner_id, "")
    assert now.etag == taken.etag
    # What the attempt had created is found again.
    (account,) = await accounts_of(customer, seller)
    if verb == "return":
        await api.leads.ClaimLead(pb.ClaimLeadRequest(id=lead.id), metadata=manager.metadata)
    await also_in(customer, manager)
    assert (await convert(manager)).account_id == account.id


@pytest.mark.parametrize("verb", TAKING)
async def test_a_late_attempt_takes_nothing_over_from_the_one_that_began_after_it_was_ended(
    api: Sales,
    sales: Running,
    seller: User,
    customer: Running,
    qualified: Qualified,
    held: Held,
    verb: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The first one has its turn no longer, and does not know it.
    monkeypatch.setattr("crm_sales.leads.conversion.turn", lapsed)
    lead, manager = await qualified(), await sales.user(seller.tenant_id)
    await also_in(customer, manager)

    async def convert(by: User, name: str) -> pb.Lead:
        request = pb.ConvertLeadRequest(id=lead.id, opportunity_name=name)
        return await api.leads.ConvertLead(request, metadata=by.metadata)

    first = asyncio.create_task(convert(seller, "first"))
    first_goes_on = await held.next()
    await take_away(api, manager, lead, verb)
    if verb == "return":
        await api.leads.ClaimLead(pb.ClaimLeadRequest(id=lead.id), metadata=manager.metadata)
    second = asyncio.create_task(convert(manager, "second"))
    second_goes_on = await held.next()
    first_goes_on.set()
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await first
    second_goes_on.set()
    converted = await second
    request = opportunities_pb2.GetOpportunityRequest(id=converted.opportunity_id)
    opportunity = await api.opportunities.GetOpportunity(request, metadata=manager.metadata)
    assert opportunity.display_name == "second"


@pytest.mark.usefixtures("crashing")
@pytest.mark.parametrize("verb", TAKING)
async def test_colleagues_who_take_turns_in_breaking_off_conversions_keep_no_manager_off_a_lead(
    api: Sales, seller: User, qualified: Qualified, sales: Running, customer: Running, verb: str
) -> None:
    lead, manager, colleague = await qualified(), await sales.user(seller.tenant_id), await sales.user(seller.tenant_id)
    await also_in(customer, colleague)
    for turn, by in enumerate((seller, colleague, seller), start=2):
        await move_clock(sales, seller, 3 * turn * MINUTE, turn)
        await break_off(api, by, lead)
    taken = await take_away(api, manager, lead, verb)
    assert (taken.state, taken.account_id) == (pb.Lead.STATE_QUALIFIED, "")
    if verb != "return":
        # Nothing is being converted any more.
        request = pb.DisqualifyLeadRequest(id=lead.id, reason="x")
        await api.leads.DisqualifyLead(request, metadata=manager.metadata)
