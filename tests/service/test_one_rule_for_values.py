"""What an import refuses in a cell, the API refuses too: else an export of it would not come back."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.sales.v1 import leads_pb2
from crm.sales.v1.leads_pb2_grpc import LeadServiceStub

from tests.service.running import Running, User, refused

Create = Callable[[User, dict[str, Any]], Awaitable[Any]]


@pytest.fixture
def create_account(customer: Running) -> Create:
    async def create(user: User, values: dict[str, Any]) -> Any:
        account = accounts_pb2.Account(
            kind=accounts_pb2.Account.KIND_ORGANIZATION, display_name="Huaxin Power", **values
        )
        request = accounts_pb2.CreateAccountRequest(account=account)
        return await AccountServiceStub(customer.channel).CreateAccount(request, metadata=user.metadata)

    return create


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"region_code": "XX-999"}, "account.region_code"),
        ({"region_code": "CN-XX"}, "account.region_code"),
        ({"addresses": [{"region_code": "ZZ"}]}, "account.addresses[0].region_code"),
        ({"emails": ["wang@huaxin"]}, "account.emails[0]"),
        ({"employee_count": 2_000_000_000}, "account.employee_count"),
    ],
)
async def test_an_account_has_values_that_an_import_would_take(
    customer: Running, create_account: Create, values: dict[str, Any], field: str
) -> None:
    user = await customer.user()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create_account(user, values)
    assert refusal.fields == [field]


@pytest.mark.parametrize("code", ["CN", "CN-GD", "DE-NW", "US-CA", "XK", "TW", "GB-ENG"])
async def test_countries_and_their_subdivisions_are_regions(
    customer: Running, create_account: Create, code: str
) -> None:
    created = await create_account(await customer.user(), {"region_code": code})
    assert created.region_code == code


async def test_a_contact_has_an_address_that_mail_could_reach(customer: Running) -> None:
    user = await customer.user()
    request = contacts_pb2.CreateContactRequest(
        contact=contacts_pb2.Contact(display_name="王芳", emails=["wang@huaxin"])
    )
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await ContactServiceStub(customer.channel).CreateContact(request, metadata=user.metadata)
    assert refusal.fields == ["contact.emails[0]"]


@pytest.mark.parametrize(("field", "value"), [("region_code", "XX-999"), ("email", "wang@huaxin")])
async def test_a_lead_has_values_that_its_account_may_have(sales: Running, field: str, value: str) -> None:
    user = await sales.user()
    lead = leads_pb2.Lead(display_name="王芳", company_name="Huaxin Power", **{field: value})  # type: ignore[arg-type]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await LeadServiceStub(sales.channel).CreateLead(leads_pb2.CreateLeadRequest(lead=lead), metadata=user.metadata)
    assert refusal.fields == [f"lead.{field}"]
