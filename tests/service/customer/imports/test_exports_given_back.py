"""Exports that come back with other owners, with archived accounts, or of another collection."""

import csv
import io
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import imports_pb2, notifications_pb2
from crm.customer.v1.notifications_pb2_grpc import NotificationServiceStub
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account, new_contact
from tests.service.customer.imports.calls import Run, all_accounts, counts, errors_of
from tests.service.eventually import eventually
from tests.service.notices import raised
from tests.service.running import Running, User
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

Mode = imports_pb2.Import.Mode
UPSERT, UPDATE = imports_pb2.Import.MODE_UPSERT, imports_pb2.Import.MODE_UPDATE
LANGUAGES = ["", "en", "zh"]


async def exported(
    customer: Running, user: User, language: str = "", *, collection: str = "accounts", **params: str
) -> bytes:
    headers = bearer(user) | ({"accept-language": language} if language else {})
    async with gateway(customer) as web:
        answer = await web.get(f"/v1/{collection}:export", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.content


def replaced(file: bytes, old: str, new: str) -> list[list[str]]:
    """The rows of the file with another text in every cell that is the old one."""
    rows = csv.reader(io.StringIO(file.decode("utf-8-sig"), newline=""))
    return [[new if cell == old else cell for cell in row] for row in rows]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fields", ["", "id,owner_id", "id,owner_name"])
async def test_owners_that_stay_as_they_are_change_nothing_even_when_they_have_left(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run, language: str, fields: str
) -> None:
    gone = await customer.user(user.tenant_id, name="王芳")
    await new_account(customer, user, display_name="甲", owner_id=str(gone.id))
    await new_account(customer, user, display_name="乙")
    await customer.change_user(gone, active=False)
    before = await all_accounts(accounts, user)
    file = await exported(customer, user, language, **({"fields": f"{fields},display_name"} if fields else {}))
    job = await run(file, mode=UPSERT)
    assert counts(job) == (0, 0, 2, 0)
    assert await all_accounts(accounts, user) == before
    assert "owner" in [each.field for each in job.mapping]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("by", ["id", "name"])
async def test_another_owner_is_given_the_account_by_the_rules_of_giving(
    customer: Running,
    accounts: "AccountServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    user: User,
    run: Run,
    language: str,
    by: str,
) -> None:
    new, blind = [await customer.user(user.tenant_id, name=name, grants=rights) for name, rights in (
        ("李敏", {"accounts.read": Scope.OWN}),
        ("陈强", {"orders.read": Scope.ALL}),
    )]  # fmt: skip
    await new_account(customer, user, display_name="甲")
    file = await exported(customer, user, language, fields=f"id,owner_{by},display_name")
    old = str(user.id) if by == "id" else "somebody"
    job = await run(replaced(file, old, str(new.id) if by == "id" else "李敏"), mode=UPDATE)
    assert counts(job) == (0, 1, 0, 0)
    (given,) = await all_accounts(accounts, user)
    assert given.owner_id == str(new.id)
    # Of all that an import gives somebody they are told together.
    (notice,) = [each for each in await raised(customer, user.tenant_id) if list(each.user_ids) == [str(new.id)]]
    assert (notice.collection, notice.record_id, notice.values["outcome"]) == ("jobs", job.id, "TOGETHER")
    job = await run(replaced(file, old, str(blind.id) if by == "id" else "陈强"), mode=UPDATE)
    assert counts(job) == (0, 0, 0, 1)
    (error,) = await errors_of(imports, user, job.id)
    assert (error.reason, error.row_number) == ("ASSIGNMENT_NOT_ALLOWED", 2)


async def test_of_hundreds_that_an_import_gives_somebody_they_are_told_by_one_notice_a_batch(
    customer: Running, user: User, run: Run
) -> None:
    new = await customer.user(user.tenant_id)
    made = [await new_account(customer, user, display_name=f"公司{each}") for each in range(3)]
    rows = [["id", "owner_id"], *([each.id, str(new.id)] for each in made)]
    assert counts(await run(rows, mode=UPDATE)) == (0, 3, 0, 0)
    (notice,) = [each for each in await raised(customer, user.tenant_id) if list(each.user_ids) == [str(new.id)]]
    assert notice.count == 3

    async def is_told() -> bool:
        stub: Any = NotificationServiceStub(customer.channel)
        page = await stub.ListNotifications(notifications_pb2.ListNotificationsRequest(), metadata=new.metadata)
        return [(each.count, each.read) for each in page.notifications] == [(3, False)]

    await eventually(is_told)


async def test_nobody_is_told_of_an_account_whose_row_was_refused_after_all(
    customer: Running, user: User, run: Run
) -> None:
    new = await customer.user(user.tenant_id, name="李敏")
    header = ["客户编号", "公司名称", "联系人", "职务", "联系人电话", "负责人"]
    namesakes = [["C1", "甲乙", "张伟", "", phone_number, ""] for phone_number in ("13800138000", "13900139000")]
    assert counts(await run([header, *namesakes]))[3] == 0
    # Which of the two is meant nobody knows, and that shows when the account has been written.
    job = await run(
        [header, ["C1", "甲乙", "张伟", "总监", "", "李敏"], ["C2", "丙丁", "", "", "", "李敏"]], mode=UPSERT
    )
    assert counts(job) == (1, 0, 0, 1)
    (notice,) = [each for each in await raised(customer, user.tenant_id) if list(each.user_ids) == [str(new.id)]]
    assert notice.count == 1


async def test_who_changes_their_own_accounts_alone_gives_none_away_by_an_import(
    customer: Running, accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", user: User, run: Run
) -> None:
    grants = {"accounts.read": Scope.ALL, "accounts.write": Scope.OWN, "imports.read": Scope.ALL}
    narrow = await customer.user(user.tenant_id, grants=grants | {"imports.write": Scope.ALL})
    account = await new_account(customer, user, display_name="甲", owner_id=str(narrow.id))
    job = await run([["id", "owner_id"], [account.id, str(user.id)]], by=narrow, mode=UPDATE)
    assert counts(job) == (0, 0, 0, 1)
    assert (await errors_of(imports, narrow, job.id))[0].reason == "ASSIGNMENT_NOT_ALLOWED"
    assert (await all_accounts(accounts, user))[0].owner_id == str(narrow.id)


async def test_an_import_that_creates_passes_over_owners_of_an_export(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run
) -> None:
    """It may be another tenant's, which has other users."""
    await new_account(customer, user, display_name="甲")
    other = await customer.user()
    job = await run(await exported(customer, user), by=other, mode=imports_pb2.Import.MODE_CREATE)
    assert counts(job) == (1, 0, 0, 0), job.failure
    assert (await all_accounts(accounts, other))[0].owner_id == str(other.id)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_archived_accounts_come_back_unchanged_and_say_so_when_they_would_change(
    customer: Running,
    accounts: "AccountServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    user: User,
    run: Run,
    language: str,
) -> None:
    account = await new_account(customer, user, display_name="甲", industry="能源", phone_numbers=["+8613800138000"])
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=account.id), metadata=user.metadata)
    file = await exported(customer, user, language, filter="status = ARCHIVED")
    job = await run(file, mode=UPSERT)
    assert (counts(job), await errors_of(imports, user, job.id)) == ((0, 0, 1, 0), [])
    job = await run(replaced(file, "能源", "化工"), mode=UPSERT)
    (error,) = await errors_of(imports, user, job.id)
    assert (error.reason, error.detail) == (
        "ILLEGAL_STATE",
        "an account that is ARCHIVED cannot be changed; it must be POTENTIAL or ACTIVE or DORMANT or LOST",
    )
    back = await accounts.RestoreAccount(pb.RestoreAccountRequest(id=account.id), metadata=user.metadata)
    job = await run(file, mode=UPDATE)
    (error,) = await errors_of(imports, user, job.id)
    assert (error.reason, error.metadata["rule"]) == ("VALUE_UNKNOWN", "not_imported")
    assert (await all_accounts(accounts, user)) == [back]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("mode", [imports_pb2.Import.MODE_CREATE, UPSERT])
async def test_an_export_of_contacts_is_refused_with_the_way_to_bring_them_in(
    customer: Running, accounts: "AccountServiceAsyncStub", user: User, run: Run, language: str, mode: Mode
) -> None:
    account = await new_account(customer, user, display_name="甲")
    await new_contact(customer, user, account.id, display_name="王伟")
    job = await run(await exported(customer, user, language, collection="contacts", account_id=account.id), mode=mode)
    assert (job.state, job.failure_reason) == (imports_pb2.Import.STATE_FAILED, "IMPORT_MAPPING_INCOMPLETE")
    assert job.failure_metadata["rule"] == "contacts"
    assert "export of contacts" in job.failure
    assert len(await all_accounts(accounts, user)) == 1
