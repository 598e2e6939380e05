"""Imports in the list of jobs: the same figures, errors and end, for who began them."""

from typing import TYPE_CHECKING

from crm.customer.v1 import imports_pb2 as pb
from crm.resource.v1 import jobs_pb2
from crm_kit.identity.access import Scope

from tests.service.approving import new_role, set_roles
from tests.service.bulk_changing import CANCELLED, QUEUED, SUCCEEDED, Jobs
from tests.service.customer.imports.calls import Run, SetAside, as_csv
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

IMPORT = jobs_pb2.Job.KIND_IMPORT
ROWS = [["客户名称", "邮箱"], ["华信电力", "a@huaxin.example"], ["", "b@huaxin.example"], ["东方能源", "nobody"]]


async def test_an_import_is_a_job_with_the_same_figures_and_its_errors_as_results(
    customer: Running, user: User, run: Run
) -> None:
    job, jobs = await run(ROWS), Jobs(customer)
    (shown,) = await jobs.listed(user, filter="kind = IMPORT")
    assert (shown.id, shown.kind, shown.state, shown.verb) == (job.id, IMPORT, SUCCEEDED, "import")
    assert (shown.total_count, shown.done_count, shown.failed_count) == (
        job.rows_total,
        job.rows_read,
        job.failed_count,
    )
    assert shown.changed_count == job.created_count + job.updated_count
    assert (shown.etag, shown.owner_id, shown.create_time, shown.finish_time) == (
        job.etag,
        str(user.id),
        job.create_time,
        job.finish_time,
    )
    assert job.failed_count == 2
    results = await jobs.results(user, shown, "outcome = FAILED")
    assert [each.position for each in results] == [3, 4]
    assert all(each.reason and each.detail for each in results)
    assert [each.field for each in results[1].violations] == ["邮箱"]
    assert await jobs.results(user, shown, "outcome = CHANGED") == []
    assert await jobs.listed(user, filter="kind = BULK_CHANGE") == []


async def test_an_import_is_cancelled_from_the_list_of_jobs(
    customer: Running, user: User, set_aside: SetAside, imports: "ImportServiceAsyncStub"
) -> None:
    held = await set_aside(as_csv(ROWS))
    jobs = Jobs(customer)
    (shown,) = await jobs.listed(user)
    assert (shown.id, shown.state, shown.total_count) == (str(held.import_id), QUEUED, 0)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await jobs.cancel(user, shown, etag="v9")
    assert (await jobs.cancel(user, shown, etag=shown.etag)).state == CANCELLED
    job = await imports.GetImport(pb.GetImportRequest(id=shown.id), metadata=user.metadata)
    assert job.state == pb.Import.STATE_CANCELLED
    assert (await jobs.get(user, shown)).etag == job.etag
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await jobs.cancel(user, shown)


async def test_nobody_else_learns_of_an_import_from_the_list_of_jobs(customer: Running, user: User, run: Run) -> None:
    """Whoever may read all accounts sees all bulk changes; imports have a permission of their own."""
    job, jobs = await run(ROWS), Jobs(customer)
    (shown,) = await jobs.listed(user)
    other = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.ALL})
    assert await jobs.listed(other) == []
    for ask in (jobs.get, jobs.results, jobs.cancel):
        with refused("NOT_FOUND", "JOB_NOT_FOUND"):
            await ask(other, shown)
    # Nor who began it, once they may not read imports any more.
    await set_roles(customer, user, await new_role(customer, user.tenant_id, {"accounts.read": Scope.ALL}))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await jobs.results(user, shown)
    assert job.id == shown.id
