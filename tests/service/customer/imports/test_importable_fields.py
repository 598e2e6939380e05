"""Every field of an account that can be set can be imported under its label, or it is said here why not."""

from typing import TYPE_CHECKING

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.labels import field_label

from tests.service.customer.imports.calls import Run, all_accounts, counts
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

NOT_IMPORTED = {
    "consents": "a consent has a channel, a time and an evidence; one cell proves none of it",
    "competitor_profile": "what is known of a rival is written by hand, one by one",
    "custom": "each custom field has a column of its own",
    "restricted": "whoever restricts an account says why, one by one or in a change of many",
}

CELLS = {
    "kind": "个人",
    "display_name": "华信电力",
    "legal_name": "华信电力（深圳）有限公司",
    "short_name": "华信",
    "credit_code": "91440300708461136T",
    "roles": "供应商",
    "status": "活跃",
    "industry": "能源",
    "employee_count": "300",
    "region_code": "CN-GD",
    "addresses": "深南大道 1 号",
    "phone_numbers": "+8613800138000",
    "emails": "info@huaxin.example",
    "website": "https://huaxin.example",
    "source": "展会",
    "parent_id": "集团",
    "owner_id": "李敏",
    "external_ids": "C1",
    "tags": "vip",
    "preferences": "年底续约",
    "taboos": "周一",
}


async def test_each_field_of_an_account_is_imported_under_its_label(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, run: Run
) -> None:
    given = {name: each.descriptor for name, each in ACCOUNTS.contract.items() if each.given}
    assert given.keys() == CELLS.keys() | NOT_IMPORTED.keys(), "add a column, as CONTRIBUTING.md says, or a reason"
    await customer.user(user.tenant_id, name="李敏")
    labels = {name: field_label(name, given[name].GetOptions()).zh for name in CELLS}
    job = await run([["客户名称"], ["集团"]])
    assert counts(job) == (1, 0, 0, 0)
    job = await run([[labels[name] for name in CELLS], list(CELLS.values())])
    assert counts(job) == (1, 0, 0, 0)
    plain, told = sorted(await all_accounts(accounts, user), key=lambda each: each.display_name != "集团")
    assert [name for name in CELLS if getattr(told, name) == getattr(plain, name)] == []
