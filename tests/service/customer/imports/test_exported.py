"""An export that is imported as it is changes nothing."""

from typing import TYPE_CHECKING

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import imports_pb2

from tests.service.customer.customers import new_account
from tests.service.customer.imports.calls import Run, all_accounts, counts, errors_of
from tests.service.running import Running, User
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


async def accounts_of_every_kind(customer: Running, user: User) -> None:
    group = await new_account(
        customer,
        user,
        display_name="华信集团",
        external_ids=[pb.ExternalId(source="sap", value="0001"), pb.ExternalId(source="crm", value="a; b, c")],
    )
    await new_account(
        customer,
        user,
        display_name="华信电力",
        parent_id=group.id,
        legal_name="华信电力（深圳）有限公司",
        short_name="华信",
        credit_code="91440300708461136T",
        roles=[pb.Account.ROLE_CUSTOMER, pb.Account.ROLE_SUPPLIER],
        industry="能源",
        employee_count=1200,
        region_code="CN-GD",
        addresses=[
            pb.Address(kind=pb.Address.KIND_OFFICE, city="深圳", line="深南大道 1 号; A 座", postal_code="518000"),
            pb.Address(kind=pb.Address.KIND_BILLING, city="广州", line="天河路 2 号"),
        ],
        phone_numbers=["+8613800138000", "+8675586661234;ext=801"],
        emails=["info@huaxin.example", "sales@huaxin.example"],
        website="https://huaxin.example/a?b=c",
        source="展会",
        external_ids=[pb.ExternalId(source="sap", value="0002")],
        tags=["重点", "A/B, C"],
        preferences="喜欢\n龙井",
        taboos="-",
    )
    person = pb.Account.KIND_PERSON
    await new_account(
        customer,
        user,
        display_name="李 雷",
        kind=person,
        region_code="DE",
        phone_numbers=["+4930901820"],
        external_ids=[pb.ExternalId(source="sap", value="=3")],
    )


@pytest.mark.parametrize("form", ["csv", "xlsx"])
@pytest.mark.parametrize("language", [{}, {"accept-language": "en"}, {"accept-language": "zh"}], ids=str)
async def test_an_export_that_comes_back_changes_nothing(
    customer: Running,
    accounts: "AccountServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    user: User,
    run: Run,
    language: dict[str, str],
    form: str,
) -> None:
    await accounts_of_every_kind(customer, user)
    before = await all_accounts(accounts, user)
    async with gateway(customer) as web:
        exported = await web.get("/v1/accounts:export", params={"format": form}, headers=bearer(user) | language)
    job = await run(exported.content, mode=imports_pb2.Import.MODE_UPSERT)
    assert (counts(job), await errors_of(imports, user, job.id)) == ((0, 0, 3, 0), [])
    assert await all_accounts(accounts, user) == before
