"""Who may import what."""

from typing import TYPE_CHECKING, cast

import pytest
from crm.customer.v1 import account_restrictions_pb2, accounts_pb2, contacts_pb2, events_pb2
from crm.customer.v1 import imports_pb2 as pb
from crm.customer.v1.account_restrictions_pb2_grpc import AccountRestrictionServiceStub
from crm_customer.imports import worker
from crm_kit.directory.projection import project_team
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

from tests.service.customer.imports.calls import Run, Upload, all_accounts, counts, errors_of
from tests.service.customer.told import told_of
from tests.service.restricting import EVERYBODY
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


async def test_uploads_and_imports_of_others_are_not_found(
    imports: "ImportServiceAsyncStub", customer: Running, run: Run
) -> None:
    tenant = await customer.tenant()
    own = {"imports.read": Scope.OWN, "imports.write": Scope.OWN, "accounts.write": Scope.OWN}
    li = await customer.user(tenant, grants=own)
    job = await run([["客户名称"], ["华信"]], by=li)
    for stranger in (await customer.user(), await customer.user(tenant, grants=own)):
        with refused("NOT_FOUND", "UPLOAD_NOT_FOUND"):
            await imports.GetUpload(pb.GetUploadRequest(id=job.upload_id), metadata=stranger.metadata)
        with refused("NOT_FOUND", "UPLOAD_NOT_FOUND"):
            request = pb.CreateImportRequest(job=pb.Import(upload_id=job.upload_id, mode=pb.Import.MODE_CREATE))
            await imports.CreateImport(request, metadata=stranger.metadata)
        with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
            await imports.GetImport(pb.GetImportRequest(id=job.id), metadata=stranger.metadata)
        with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
            await imports.ListImportErrors(pb.ListImportErrorsRequest(id=job.id), metadata=stranger.metadata)
        with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
            await imports.GetImportReport(pb.GetImportReportRequest(id=job.id), metadata=stranger.metadata)
        with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
            await imports.CancelImport(pb.CancelImportRequest(id=job.id), metadata=stranger.metadata)
        assert not (await imports.ListImports(pb.ListImportsRequest(), metadata=stranger.metadata)).imports


async def test_who_may_not_write_accounts_may_not_import_them(
    imports: "ImportServiceAsyncStub", customer: Running, upload: Upload
) -> None:
    clerk = await customer.user(grants={"imports.read": Scope.ALL, "imports.write": Scope.ALL})
    id = await upload(b"name\nx", by=clerk)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        request = pb.CreateImportRequest(job=pb.Import(upload_id=id, mode=pb.Import.MODE_CREATE))
        await imports.CreateImport(request, metadata=clerk.metadata)
    reader = await customer.user(grants={"imports.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await imports.CreateUpload(pb.CreateUploadRequest(file_name="a.csv"), metadata=reader.metadata)


async def test_contacts_need_the_right_to_write_contacts(customer: Running, run: Run) -> None:
    grants = {"imports.read": Scope.OWN, "imports.write": Scope.OWN, "accounts.write": Scope.OWN}
    job = await run([["客户名称", "联系人"], ["华信", "王伟"]], by=await customer.user(grants=grants))
    assert (job.state, job.failure_reason) == (pb.Import.STATE_FAILED, "PERMISSION_DENIED")
    assert "contacts.write" in job.failure


async def test_accounts_that_the_user_may_not_see_are_not_changed(
    accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", customer: Running, run: Run
) -> None:
    tenant = await customer.tenant()
    head = await customer.user(tenant)
    own = {"imports.read": Scope.OWN, "imports.write": Scope.OWN, "accounts.write": Scope.OWN}
    li = await customer.user(tenant, grants=own)
    await run([["客户编号", "客户名称"], ["C1", "华信"]], by=head)
    job = await run([["客户编号", "客户名称"], ["C1", "李的"], ["C2", "新的"]], by=li, mode=pb.Import.MODE_UPSERT)
    assert counts(job) == (1, 0, 0, 1)
    assert [(each.row_number, each.reason) for each in await errors_of(imports, li, job.id)] == [
        (2, "ACCOUNT_NOT_FOUND")
    ]
    assert [account.display_name for account in await all_accounts(accounts, head)] == ["华信", "新的"]


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("batch", [1, 2, 250])
@pytest.mark.parametrize("scope", [Scope.OWN, Scope.TEAM])
async def test_a_row_that_gives_an_account_out_of_reach_is_refused_and_the_others_are_taken(
    imports: "ImportServiceAsyncStub",
    contacts: "ContactServiceAsyncStub",
    customer: Running,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    scope: Scope,
    batch: int,
    dry_run: bool,
) -> None:
    monkeypatch.setattr(worker, "BATCH", batch)
    tenant = await customer.tenant()
    await customer.user(tenant, name="王芳", team_id=new_id())
    granted = ("imports.read", "imports.write", "accounts.write", "contacts.write", "contacts.read")
    li = await customer.user(tenant, grants=dict.fromkeys(granted, scope), name="李", team_id=new_id())
    rows = [
        ["客户编号", "客户名称", "客户经理", "联系人"],
        ["C1", "华信", "王芳", "张伟"],
        ["C2", "鑫淼", "", "赵敏"],
        ["C1", "华信", "王芳", "刘洋"],
        ["C2", "鑫淼", "", "孙丽"],
        ["", "华信", "", "周杰"],
    ]
    job = await run(rows, by=li, dry_run=dry_run)
    assert [
        (each.row_number, each.column, each.value, each.reason) for each in await errors_of(imports, li, job.id)
    ] == [
        (2, "客户经理", "王芳", "ASSIGNMENT_NOT_ALLOWED"),
        (4, "客户经理", "王芳", "ASSIGNMENT_NOT_ALLOWED"),
    ]
    assert counts(job) == (2, 1, 0, 2)
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=li.metadata)
    assert sorted(each.display_name for each in page.contacts) == ([] if dry_run else ["周杰", "孙丽", "赵敏"])


async def test_an_account_that_a_row_gave_to_the_own_team_takes_further_rows(
    contacts: "ContactServiceAsyncStub", customer: Running, run: Run
) -> None:
    tenant, team = await customer.tenant(), new_id()
    async with customer.unit_of_work(tenant) as work:
        project_team(work, id=team, display_name="华南", parent_id=None, version=1)
    await customer.user(tenant, name="王芳", team_id=team)
    granted = ("imports.read", "imports.write", "accounts.write", "contacts.write", "contacts.read")
    li = await customer.user(tenant, grants=dict.fromkeys(granted, Scope.TEAM), team_id=team)
    rows = [["客户名称", "客户经理", "联系人"], ["华信", "王芳", "张伟"], ["华信", "王芳", "刘洋"]]
    assert counts(await run(rows, by=li)) == (1, 1, 0, 0)
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=li.metadata)
    assert sorted(each.display_name for each in page.contacts) == ["刘洋", "张伟"]


async def test_a_column_of_owners_takes_no_account_that_may_not_be_given(
    accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", customer: Running, run: Run
) -> None:
    tenant = await customer.tenant()
    own = {"imports.read": Scope.OWN, "imports.write": Scope.OWN, "opportunities.read": Scope.OWN}
    head, steward = [
        await customer.user(tenant, grants=own | dict.fromkeys(("accounts.read", "accounts.write"), Scope.ALL))
        for _ in range(2)
    ]
    rows = [["客户编号", "客户名称", "客户经理"], ["C1", "华信", ""], ["C2", "青岛", ""]]
    await run(rows, by=head)
    login = f"{steward.id.hex[-12:]}@example.test"
    rows = [rows[0], ["C1", "华信", login], ["C2", "青岛港", ""]]
    job = await run(rows, by=steward, mode=pb.Import.MODE_UPSERT)
    assert counts(job) == (0, 1, 0, 1)
    assert [(each.row_number, each.reason) for each in await errors_of(imports, steward, job.id)] == [
        (2, "PERMISSION_DENIED")
    ]
    assert {each.owner_id for each in await all_accounts(accounts, head)} == {str(head.id)}


@pytest.mark.parametrize("named", ["id", "display_name", "external_id"])
async def test_no_parent_is_named_that_one_may_not_read(
    accounts: "AccountServiceAsyncStub", imports: "ImportServiceAsyncStub", customer: Running, run: Run, named: str
) -> None:
    tenant = await customer.tenant()
    everything = dict.fromkeys(("accounts.read", "accounts.write", "imports.read", "imports.write"), Scope.ALL)
    head = await customer.user(tenant, grants=everything)
    clerk = await customer.user(tenant, grants=everything | {"accounts.read": Scope.OWN})
    await run([["客户编号", "客户名称"], ["C1", "华信集团"]], by=head)
    (group,) = await all_accounts(accounts, head)
    parent = {"id": group.id, "display_name": group.display_name, "external_id": "C1"}[named]
    job = await run([["客户名称", "上级客户"], ["华信电力", parent]], by=clerk)
    assert [(each.row_number, each.reason) for each in await errors_of(imports, clerk, job.id)] == [
        (2, "REFERENCE_NOT_FOUND")
    ]
    job = await run([["客户名称", "上级客户"], ["华信电力", parent]], by=head)
    assert counts(job) == (1, 0, 0, 0)


async def test_a_contact_belongs_to_nobody_who_may_have_none(
    accounts: "AccountServiceAsyncStub",
    contacts: "ContactServiceAsyncStub",
    imports: "ImportServiceAsyncStub",
    customer: Running,
    run: Run,
    user: User,
) -> None:
    """With a new account its owner is refused; at a known one the contact is of who imports it."""
    clerk = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.OWN})
    login = f"{clerk.id.hex[-12:]}@example.test"
    header = ["客户编号", "客户名称", "客户经理", "联系人"]
    job = await run([header, ["C1", "华信", login, ""], ["C2", "青岛", login, "张伟"]])
    assert counts(job) == (1, 0, 0, 1)
    (error,) = await errors_of(imports, user, job.id)
    assert (error.row_number, error.column, error.reason) == (3, "客户经理", "ASSIGNMENT_NOT_ALLOWED")
    assert {each.owner_id for each in await all_accounts(accounts, user)} == {str(clerk.id)}
    rows = [header, ["C1", "华信", "", "张伟"]]
    assert counts(await run(rows, mode=pb.Import.MODE_UPSERT)) == (0, 1, 0, 0)
    page = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=user.metadata)
    assert [(each.display_name, each.owner_id) for each in page.contacts] == [("张伟", str(user.id))]


@pytest.mark.parametrize("mode", [pb.Import.MODE_CREATE, pb.Import.MODE_UPSERT])
@pytest.mark.parametrize("dry_run", [False, True])
async def test_an_account_that_a_row_gives_away_and_a_rule_restricts_is_no_later_rows_to_change(
    imports: "ImportServiceAsyncStub", customer: Running, run: Run, user: User, *, mode: "pb.Import.Mode", dry_run: bool
) -> None:
    rule = account_restrictions_pb2.AccountRestriction(kinds=[accounts_pb2.Account.KIND_ORGANIZATION])
    request = account_restrictions_pb2.UpdateAccountRestrictionRequest(account_restriction=rule)
    await AccountRestrictionServiceStub(customer.channel).UpdateAccountRestriction(request, metadata=user.metadata)
    importer = await customer.user(user.tenant_id, grants=EVERYBODY)
    login = f"{user.id.hex[-12:]}@example.test"
    rows = [["客户编号", "客户名称", "客户经理", "行业", "联系人"]]
    rows += [["C1", "华信", login, *told] for told in (("电力", "张伟"), ("能源", "刘洋"))]
    job = await run(rows, by=importer, mode=mode, dry_run=dry_run)
    assert counts(job) == (1, 0, 0, 1)
    (error,) = await errors_of(imports, importer, job.id)
    assert (error.row_number, error.reason) == (3, "ACCOUNT_NOT_FOUND")


@pytest.mark.parametrize("keep", [True, False])
async def test_deals_stay_where_an_import_gives_accounts_away_if_that_is_asked_for(
    accounts: "AccountServiceAsyncStub", customer: Running, run: Run, user: User, *, keep: bool
) -> None:
    seller = await customer.user(user.tenant_id)
    header = ["客户编号", "客户名称", "客户经理"]
    await run([header, ["C1", "华信", ""]])
    login = f"{seller.id.hex[-12:]}@example.test"
    job = await run([header, ["C1", "华信", login]], mode=pb.Import.MODE_UPSERT, keep_opportunities=keep)
    assert job.keep_opportunities is keep
    (account,) = await all_accounts(accounts, user)
    told = await told_of(customer, user.tenant_id, account.id)
    assert cast("events_pb2.AccountOwnerChanged", told[-1]).keep_opportunities is keep


async def test_what_stayed_out_of_a_file_is_not_told_to_who_does_not_see_its_fields(
    imports: "ImportServiceAsyncStub", customer: Running, run: Run, user: User
) -> None:
    job = await run([["客户名称", "电话", "备注"], ["", "13800138000", "VIP"], ["华信", "12", ""]])
    plain = await run([["客户名称", "行业"], ["", "power"]])
    grants = {"imports.read": Scope.ALL, "accounts.read": Scope.ALL}
    reader = await customer.user(user.tenant_id, grants=grants, hidden_fields=["accounts.phone_numbers"])
    errors, report = pb.ListImportErrorsRequest, pb.GetImportReportRequest
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await imports.ListImportErrors(errors(id=job.id), metadata=reader.metadata)
    assert "accounts.phone_numbers" in refusal.detail
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await imports.GetImportReport(report(id=job.id), metadata=reader.metadata)
    for by, id in ((reader, plain.id), (user, job.id)):
        assert (await imports.ListImportErrors(errors(id=id), metadata=by.metadata)).errors
        assert (await imports.GetImportReport(report(id=id), metadata=by.metadata)).content


async def test_who_does_not_see_a_field_of_contacts_imports_columns_that_fill_none(
    customer: Running, run: Run, user: User
) -> None:
    importer = await customer.user(user.tenant_id, hidden_fields=["contacts.emails"])
    columns = [
        pb.ImportColumn(column="编号", field="external_ids.sap"),
        pb.ImportColumn(column="名称", field="display_name"),
    ]
    job = await run([["编号", "名称"], ["4711", "华信"]], by=importer, columns=columns)
    assert (job.state, counts(job)) == (pb.Import.STATE_SUCCEEDED, (1, 0, 0, 0))
