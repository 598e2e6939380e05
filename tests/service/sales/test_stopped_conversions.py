"""What a conversion that was broken off keeps from others: the lead for two minutes, the pool's rules not at all."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_sales.accounts.client import CustomerClient
from crm_sales.leads.reclaim import Reclaim
from crm_sales.leads.servicer import LeadServicer

from tests.service.running import Running, User, refused
from tests.service.sales.converting import Qualified
from tests.service.sales.selling import Sales

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
@pytest.mark.parametrize("verb", ["assign", "return", "disqualify", "update"])
async def test_whoever_may_do_so_takes_a_lead_from_an_attempt_that_stopped_two_minutes_ago(
    api: Sales, seller: User, qualified: Qualified, sales: Running, verb: str
) -> None:
    lead, manager = await qualified(), await sales.user(seller.tenant_id)

    async def act() -> pb.Lead:
        calls: dict[str, tuple[Any, Any]] = {
            "assign": (api.leads.AssignLead, pb.AssignLeadRequest(id=lead.id, owner_id=str(manager.id))),
            "return": (api.leads.ReturnLead, pb.ReturnLeadRequest(id=lead.id, reason="x")),
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
