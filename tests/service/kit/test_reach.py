"""Lists of those who do not see everything: the same records by whichever way they are found."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit import listing
from crm_kit.identity.access import Scope
from crm_kit.resource import reach

from tests.service.customer.customers import new_account, new_contact
from tests.service.kit.custom_fields import NUMBER, message_values, new_field
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub


@pytest.fixture(params=[0, 4, 1000], autouse=True, ids=["along the order", "either way", "by their ids"])
async def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """How many records are found by their ids."""
    statements: Any = (listing.select_page, listing.count_rows)
    monkeypatch.setattr(reach, "FEW", request.param)
    for each in statements:
        each.cache_clear()
    yield
    for each in statements:
        each.cache_clear()


@dataclass(frozen=True)
class Somebody:
    """A reader, and the names of the contacts that they see."""

    user: User
    sees: set[str]


@pytest.fixture
async def everybody(customer: Running) -> list[Somebody]:
    """Readers with different rights in one tenant, some of whom see much, some little."""
    admin = await customer.user()
    head_office = await customer.team(admin.tenant_id)
    branch = await customer.team(admin.tenant_id, head_office)

    async def reader(scope: Scope, team: Any) -> User:
        grants = {"contacts.read": scope, "accounts.read": scope}
        return await customer.user(admin.tenant_id, grants=grants, team_id=team)

    head, seller, colleague = (
        await reader(Scope.TEAM, head_office),
        await reader(Scope.OWN, branch),
        await reader(Scope.OWN, branch),
    )
    newcomer = await reader(Scope.TEAM, await customer.team(admin.tenant_id))
    await new_field(customer, admin, "rank", NUMBER, collection="contacts")
    sellers, admins = (
        await new_account(customer, admin, owner_id=str(seller.id)),
        await new_account(customer, admin, owner_id=str(admin.id)),
    )
    for number in range(6):
        await new_contact(customer, admin, sellers.id, display_name=f"at the seller's {number}")
    for number in range(3):
        custom = message_values({"rank": number % 2})
        name, owner_id = f"the colleague's {number}", str(colleague.id)
        await new_contact(customer, admin, admins.id, display_name=name, owner_id=owner_id, custom=custom)
    both: dict[str, Any] = {"owner_id": str(seller.id), "custom": message_values({"rank": 7})}
    await new_contact(customer, admin, sellers.id, admins.id, display_name="both ways", **both)
    await new_contact(customer, admin, admins.id, display_name="the admin's")
    at_sellers = {f"at the seller's {number}" for number in range(6)} | {"both ways"}
    colleagues = {f"the colleague's {number}" for number in range(3)}
    return [
        Somebody(admin, at_sellers | colleagues | {"the admin's"}),
        Somebody(head, at_sellers | colleagues),
        Somebody(seller, at_sellers),
        Somebody(colleague, colleagues),
        Somebody(newcomer, set()),
    ]


@pytest.mark.parametrize("filter", ["", 'NOT display_name:"seller"', "custom.rank >= 0"])
@pytest.mark.parametrize(
    "order_by", ["", "display_name", "update_time desc", "custom.rank", "custom.rank desc, display_name"]
)
async def test_each_sees_their_records_in_the_order_of_those_who_see_all(
    customer: Running, everybody: list[Somebody], filter: str, order_by: str
) -> None:
    stub: ContactServiceAsyncStub = ContactServiceStub(customer.channel)

    async def page(by: User, token: str, size: int) -> pb.ListContactsResponse:
        request = pb.ListContactsRequest(filter=filter, order_by=order_by, page_size=size, page_token=token)
        return await stub.ListContacts(request, metadata=by.metadata)

    async def listed(by: User, size: int) -> list[str]:
        names: list[str] = []
        token, pages = "", []
        while True:
            found = await page(by, token, size)
            pages.append([each.display_name for each in found.contacts])
            names += pages[-1]
            if not found.next_page_token:
                break
            token = found.next_page_token
        back = found.prev_page_token
        for before in reversed(pages[:-1]):
            found = await page(by, back, size)
            assert [each.display_name for each in found.contacts] == before
            back = found.prev_page_token
        return names

    whole = await listed(everybody[0].user, 200)
    for each in everybody:
        for size in (2, 200):
            assert await listed(each.user, size) == [name for name in whole if name in each.sees]


async def test_each_counts_and_sums_up_their_records(customer: Running, everybody: list[Somebody]) -> None:
    stub: ResourceServiceAsyncStub = ResourceServiceStub(customer.channel)
    for each in everybody:
        count = await stub.CountRecords(
            resources_pb2.CountRecordsRequest(collection="contacts"), metadata=each.user.metadata
        )
        assert (count.count, count.exact) == (len(each.sees), True)
        grouped = resources_pb2.SummarizeRecordsRequest(collection="contacts", group_by=["owner_id"])
        summary = await stub.SummarizeRecords(grouped, metadata=each.user.metadata)
        assert sum(group.count for group in summary.groups) == len(each.sees)
        valued = resources_pb2.CountRecordValuesRequest(collection="contacts", field="status")
        values = await stub.CountRecordValues(valued, metadata=each.user.metadata)
        assert [(value.value, value.count) for value in values.values] == [("ACTIVE", len(each.sees))][: len(each.sees)]
