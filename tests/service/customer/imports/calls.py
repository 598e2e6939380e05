"""What tests of imports ask and look at."""

import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import imports_pb2 as pb
from crm.event.v1 import event_pb2
from crm_customer.imports import jobs
from crm_customer.imports.tables import import_jobs
from crm_customer.imports.worker import ImportWorker
from crm_kit.database.statements import compile_statement, statement
from crm_kit.plumbing import changes, outbox
from sqlalchemy import Uuid, bindparam, select, text, update

from tests.factories.spreadsheet import NUMBER, MadeSpreadsheet
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

ENDED = (pb.Import.STATE_SUCCEEDED, pb.Import.STATE_FAILED, pb.Import.STATE_CANCELLED)
PART = 1 << 20
Upload = Callable[..., Awaitable[str]]
Run = Callable[..., Awaitable[pb.Import]]
SetAside = Callable[..., Awaitable[jobs.Job]]


def as_csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


async def all_accounts(accounts: "AccountServiceAsyncStub", user: User) -> list[accounts_pb2.Account]:
    found: list[accounts_pb2.Account] = []
    token = ""
    while True:
        request = accounts_pb2.ListAccountsRequest(page_size=200, page_token=token, order_by="display_name")
        page = await accounts.ListAccounts(request, metadata=user.metadata)
        found += page.accounts
        token = page.next_page_token
        if not token:
            return found


async def errors_of(imports: "ImportServiceAsyncStub", user: User, id: str) -> list[pb.ImportError]:
    found: list[pb.ImportError] = []
    token = ""
    while True:
        request = pb.ListImportErrorsRequest(id=id, page_size=10, page_token=token)
        page = await imports.ListImportErrors(request, metadata=user.metadata)
        found += page.errors
        token = page.next_page_token
        if not token:
            return found


def numbers_of(found: list[accounts_pb2.Account]) -> list[str]:
    return sorted(key.value for account in found for key in account.external_ids)


def good_numbers(made: MadeSpreadsheet) -> list[str]:
    bad = {error.row_number for error in made.errors}
    return sorted(row[NUMBER] for index, row in enumerate(made.rows, start=2) if index not in bad)


def counts(job: pb.Import) -> tuple[int, int, int, int]:
    return job.created_count, job.updated_count, job.skipped_count, job.failed_count


async def written_of(customer: Running, tenant_id: UUID, noun: str) -> dict[str, list[str]]:
    """Of each record of a tenant what stands in its history and what was told of it: once each if all is well."""
    made: dict[str, list[str]] = {}
    async with customer.unit_of_work(tenant_id) as work:
        for row in await work.all(changes_of(), noun=noun):
            made.setdefault(str(row["resource_id"]), []).append(f"{row['version']} {row['action']}")
        for row in await work.all(compile_statement(select(outbox).order_by(outbox.c.aggregate_version))):
            event = event_pb2.Event.FromString(row["event"])
            if event.aggregate_type == noun:
                told = made.setdefault(event.aggregate_id, [])
                told.append(f"{event.aggregate_version} {event.payload.TypeName().rpartition('.')[2]}")
    return made


@statement
def changes_of() -> Any:
    return select(changes).where(changes.c.resource_type == bindparam("noun")).order_by(changes.c.version)


def claim_long() -> Any:
    until = text("clock_timestamp() + interval '1 hour'")
    return compile_statement(
        update(import_jobs)
        .where(import_jobs.c.tenant_id == bindparam("tenant_id"), import_jobs.c.import_id == bindparam("import_id"))
        .values(holder=bindparam("holder", type_=Uuid), expire_time=until)
    )


def another_worker(customer: Running) -> ImportWorker:
    service = customer.service
    return ImportWorker(service.database, service.clock, service.directory, service.settings.issuer)
