"""What every resource offers, where sales is special: amounts in several currencies, and leads in the pool."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import opportunities_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.money import Money
from crm_kit.resource import summaries
from crm_sales.payments.model import Payment
from crm_sales.payments.resource import PAYMENTS
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.history import changes_of
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales, cny, known_account

if TYPE_CHECKING:
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub


@pytest.fixture
def resources(sales: Running) -> "ResourceServiceAsyncStub":
    return ResourceServiceStub(sales.channel)


async def opportunity(api: Sales, sales: Running, user: User, **fields: Any) -> pb.Opportunity:
    account_id = await known_account(sales, user.tenant_id)
    created = pb.Opportunity(account_id=account_id, display_name="Boiler", **fields)
    return await api.opportunities.CreateOpportunity(
        pb.CreateOpportunityRequest(opportunity=created), metadata=user.metadata
    )


async def update(api: Sales, user: User, changed: pb.Opportunity, *paths: str) -> pb.Opportunity:
    request = pb.UpdateOpportunityRequest(opportunity=changed, update_mask=FieldMask(paths=paths))
    return await api.opportunities.UpdateOpportunity(request, metadata=user.metadata)


async def test_a_group_is_told_with_all_its_currencies_or_not_at_all(
    sales: Running, user: User, resources: "ResourceServiceAsyncStub", monkeypatch: pytest.MonkeyPatch
) -> None:
    # All records and the large group have three rows each: one for each currency, and one without.
    monkeypatch.setattr(summaries, "MAX_ROWS", 7)
    large = new_id()
    paid = [(large, "CNY"), (large, "CNY"), (large, "USD"), *[(new_id(), "CNY") for _ in range(8)]]
    async with sales.unit_of_work(user.tenant_id) as work:
        for account_id, currency in paid:
            work.insert(PAYMENTS.table, PAYMENTS.row_of(payment(account_id, currency, user, work.now)))
    request = generic.SummarizeRecordsRequest(collection="payments", group_by=["account_id"], sum=["amount"])
    told = await resources.SummarizeRecords(request, metadata=user.metadata)
    assert (told.total_count, told.truncated) == (len(paid), True)
    assert told.groups[0].key == {"account_id": str(large)}
    assert told.groups[0].count == 3
    sums = [(each.amount.amount, each.amount.currency_code) for each in told.groups[0].sums]
    assert sums == [("20.00", "CNY"), ("10.00", "USD")]


def payment(account_id: UUID, currency_code: str, user: User, now: datetime) -> Payment:
    return Payment(
        id=new_id(),
        account_id=account_id,
        amount=Money(Decimal(10), currency_code),
        receive_time=now,
        allocations=(),
        unallocated_amount=Money(Decimal(0), currency_code),
        owner_id=user.id,
        create_time=now,
        update_time=now,
    )


async def test_history_tells_amounts_with_the_decimals_of_their_currency(
    api: Sales, sales: Running, user: User
) -> None:
    made = await opportunity(api, sales, user, amount=cny("100"))
    await update(api, user, pb.Opportunity(id=made.id, amount=cny("250.5")), "amount")
    (change,) = (await changes_of(sales, "opportunities", made.id, user.metadata, page_size=1)).changes
    (field,) = change.fields
    amounts = [dict(each.struct_value)["amount"] for each in (field.old_value, field.new_value)]
    assert amounts == ["100.00", "250.50"]


async def test_an_amount_that_is_written_with_other_decimals_is_no_change(
    api: Sales, sales: Running, user: User
) -> None:
    made = await opportunity(api, sales, user, amount=cny("250.5"))
    for text in ("250.50", "250.5"):
        assert await update(api, user, pb.Opportunity(id=made.id, amount=cny(text)), "amount") == made


async def test_a_limit_holds_also_for_what_is_added_part_by_part(api: Sales, sales: Running, user: User) -> None:
    made = await opportunity(api, sales, user, fields={f"a{number}": "x" for number in range(49)})
    more = pb.Opportunity(id=made.id, fields={"b": "x", "c": "x"})
    full = await update(api, user, more, "fields.b")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await update(api, user, more, "fields.c")
    assert refusal.fields == ["opportunity.fields"]
    assert await update(api, user, full) == full


async def test_the_actions_on_a_lead_in_the_pool_are_those_that_its_claimant_has(
    sales: Running, create: CreateLead, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    lead = await create(to_pool=True)
    request = generic.GetRecordActionsRequest(collection="leads", id=lead.id)

    async def possible(by: User) -> set[str]:
        told = await resources.GetRecordActions(request, metadata=by.metadata)
        return {each.verb for each in told.actions if each.allowed}

    grants = {"leads.read": Scope.OWN, "leads.write": Scope.OWN}
    seller = await sales.user(user.tenant_id, grants=grants)
    assert await possible(seller) == {"claim"}
    assert await possible(user) == {"claim", "assign", "recordFollowUp", "disqualify"}
