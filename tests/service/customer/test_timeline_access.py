"""A timeline shows of deals, orders, cases and the like no more than the caller may read at the account."""

from crm.customer.v1 import timeline_pb2 as pb
from crm.customer.v1.timeline_pb2_grpc import TimelineServiceStub
from crm.sales.v1 import events_pb2 as sales
from crm.sales.v1 import opportunities_pb2
from crm.type.v1 import money_pb2
from crm_customer.consumers import TIMELINE
from crm_customer.records.timeline.model import OF_ACCOUNT, PERMISSIONS
from crm_kit.clock import system_now
from crm_kit.events.consumers import Event
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

from tests.factories.places import RPCS
from tests.service.customer.customers import new_account, new_interaction
from tests.service.running import Running, User

READS_ACCOUNTS = {"accounts.read": Scope.ALL}


def deal_of(actor: User, account_id: str) -> Event:
    """Says that somebody has created an opportunity, which is called after them."""
    event = Event(id=str(new_id()), tenant_id=str(actor.tenant_id), actor_id=str(actor.id), aggregate_version=1)
    event.aggregate_type, event.aggregate_id = "opportunity", str(new_id())
    event.occur_time.FromDatetime(system_now())
    amount = money_pb2.Money(amount="10.00", currency_code="CNY")
    deal = opportunities_pb2.Opportunity(account_id=account_id, display_name=f"by {actor.id}", amount=amount)
    event.payload.Pack(sales.OpportunityCreated(opportunity=deal))
    return event


async def test_reading_an_account_alone_tells_nothing_of_what_is_done_at_it(customer: Running) -> None:
    """Who did something themselves knows of it already."""
    user = await customer.user()
    grants = READS_ACCOUNTS | {"opportunities.read": Scope.ALL, "interactions.read": Scope.OWN}
    reader = await customer.user(user.tenant_id, grants=grants)
    seller = await customer.user(user.tenant_id, grants=READS_ACCOUNTS | {"opportunities.read": Scope.OWN})
    nothing_more = await customer.user(user.tenant_id, grants=READS_ACCOUNTS)
    account = await new_account(customer, user)
    for actor in (user, seller):
        await customer.service.consumers.apply(deal_of(actor, account.id))
    await new_interaction(customer, user, account.id, subject="asked for a quote")

    async def titles(by: User, filter: str = "kind != ACCOUNT_CREATED") -> list[str]:
        request = pb.ListTimelineRequest(account_id=account.id, filter=filter)
        page = await TimelineServiceStub(customer.channel).ListTimeline(request, metadata=by.metadata)
        return sorted(each.title for each in page.entries)

    deals = sorted(f"by {each.id}" for each in (user, seller))
    assert await titles(user) == sorted([*deals, "asked for a quote"])
    assert await titles(reader) == deals
    assert await titles(seller) == [f"by {seller.id}"]
    assert await titles(nothing_more) == await titles(nothing_more, "kind = OPPORTUNITY_CREATED") == []


def test_every_kind_of_entry_says_who_reads_it() -> None:
    roots = {kind.account.rpartition(".")[0] or "follow_up" for kind in TIMELINE}
    assert roots | {"interaction"} == OF_ACCOUNT | PERMISSIONS.keys()
    assert {rpc.permission for rpc in RPCS.values()} >= set(PERMISSIONS.values())
