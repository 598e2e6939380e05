"""Imports go some time after they have ended, with all that is theirs; those that are under way stay."""

from datetime import UTC, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from crm.customer.v1 import imports_pb2 as pb
from crm_customer.feeds.deliveries.tables import feed_deliveries
from crm_customer.imports.tables import IMPORT_LASTS, import_errors, import_rows, imports
from crm_kit.background import Tenants
from crm_kit.database.statements import compile_statement
from crm_kit.plumbing import changes
from crm_kit.retention import Cleaning
from sqlalchemy import Table, bindparam, func, select, update

from tests.service.customer.feeds.bringing import Delivery, bringing_by, in_sandbox
from tests.service.customer.imports.calls import Run, SetAside, another_worker, counts
from tests.service.kit.plans import indexes_in, plan_of
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

HEADER = ["客户编号", "客户名称"]


async def clean(customer: Running, user: User, ahead: timedelta, version: int) -> None:
    """As half an hour passes, on a clock that is so far ahead."""
    await customer.know_tenant(user.tenant_id, sandbox=True, clock_offset=ahead, version=version)
    service = customer.service
    nouns = {each.table.name: each.noun for each in service.resources}
    await Cleaning(Tenants(service.database, service.clock), service.metadata, nouns).clean()


async def rows_of(customer: Running, table: Table, tenant_id: UUID, column: str, id: str) -> int:
    query = compile_statement(
        select(func.count()).where(table.c.tenant_id == bindparam("tenant_id"), table.c[column] == bindparam("id"))
    )
    async with customer.unit_of_work(tenant_id) as work:
        row = await work.one(query, id=UUID(id))
    assert row is not None
    return int(row[0])


async def test_an_import_goes_with_its_rows_errors_and_history_and_one_under_way_stays(
    imports: "ImportServiceAsyncStub", run: Run, customer: Running, user: User, set_aside: SetAside
) -> None:
    await customer.know_tenant(user.tenant_id, sandbox=True, version=2)
    done = await run([HEADER, ["K-1", ""], ["K-2", "北辰钢铁"]])
    assert counts(done) == (1, 0, 0, 1)
    waiting = await set_aside("客户编号,客户名称\nK-3,远航机械\n".encode())
    theirs = [(import_rows, "import_id"), (import_errors, "import_id"), (changes, "resource_id")]

    async def left(id: str) -> list[bool]:
        return [await rows_of(customer, table, user.tenant_id, column, id) > 0 for table, column in theirs]

    await clean(customer, user, IMPORT_LASTS - timedelta(hours=1), 3)
    assert (await imports.GetImport(pb.GetImportRequest(id=done.id), metadata=user.metadata)).created_count == 1
    assert await left(done.id) == [False, False, True], "rows and errors are kept for 90 days"
    await clean(customer, user, IMPORT_LASTS + timedelta(hours=1), 4)
    with refused("NOT_FOUND", "IMPORT_NOT_FOUND"):
        await imports.GetImport(pb.GetImportRequest(id=done.id), metadata=user.metadata)
    assert await left(done.id) == [False, False, False]
    here = await imports.GetImport(pb.GetImportRequest(id=str(waiting.import_id)), metadata=user.metadata)
    assert here.state == pb.Import.STATE_QUEUED
    assert (await left(here.id))[-1]
    # Its file is gone by then, which it says.
    await another_worker(customer).carry_out(waiting)
    ended = await imports.GetImport(pb.GetImportRequest(id=here.id), metadata=user.metadata)
    assert ended.state == pb.Import.STATE_FAILED


async def test_a_delivery_whose_import_is_gone_fails_and_the_next_one_goes_on(customer: Running) -> None:
    """A tenant was closed for longer than imports are kept, just as its import had ended."""
    bringing = await in_sandbox(bringing_by(customer, await customer.user()))
    feed = await bringing.feed()
    first = await bringing.ended(await bringing.bring(feed, 0, [("K-1", "华信电力", "power")]))
    (job,) = await bringing.imports_of(first)
    tenant_id = bringing.user.tenant_id
    for table, values in (
        (feed_deliveries, {"state": "RUNNING", "finish_time": None}),
        (imports, {"finish_time": job.finish_time.ToDatetime(UTC) - IMPORT_LASTS - timedelta(days=1)}),
    ):
        id = UUID(first.id if table is feed_deliveries else job.id)
        change = update(table).where(table.c.tenant_id == tenant_id, table.c.id == id).values(values)
        await customer.service.database.all(tenant_id, compile_statement(change), {})
    await clean(customer, bringing.user, timedelta(hours=1), 2)
    second = await bringing.ended(await bringing.bring(feed, 1, [("K-1", "华信电力", "energy")]))
    assert second.updated_count == 1
    gone = await bringing.get(first)
    assert (gone.state, gone.failure_reason) == (Delivery.STATE_FAILED, "IMPORT_NOT_FOUND")


async def test_the_import_of_a_delivery_is_found_by_an_index(customer: Running) -> None:
    user = await customer.user()
    query = compile_statement(
        select(imports.c.id).where(
            imports.c.tenant_id == bindparam("tenant_id"), imports.c.feed_delivery_id == bindparam("id")
        )
    )
    values = {"tenant_id": user.tenant_id, "id": user.id}
    plan = await plan_of(customer.service.database, user.tenant_id, query, values)
    assert indexes_in(plan) == ["imports_feed_delivery_index"]
