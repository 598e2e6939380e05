"""Who began an import is told that it has ended, and how."""

from crm.customer.v1 import imports_pb2 as pb

from tests.service.customer.imports.calls import Run
from tests.service.notices import raised, told
from tests.service.running import Running, User


async def test_who_began_an_import_is_told_that_it_has_ended(customer: Running, user: User, run: Run) -> None:
    job = await run([["客户名称"], ["华信电力"]])
    assert job.state == pb.Import.STATE_SUCCEEDED
    assert await told(customer, user) == ["IMPORT_ENDED"]
    (notice,) = await raised(customer, user.tenant_id)
    assert (notice.collection, notice.record_id, notice.record_name) == ("imports", job.id, job.file_name)
    assert notice.values["outcome"] == "SUCCEEDED"
