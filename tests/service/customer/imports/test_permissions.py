"""Who may import what."""

from typing import TYPE_CHECKING

from crm.customer.v1 import imports_pb2 as pb
from crm_kit.identity.access import Scope

from tests.service.customer.imports.calls import Run, Upload, all_accounts, counts, errors_of
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
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
