"""Uploads and imports to test with."""

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
from crm.customer.v1 import imports_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.customer.v1.imports_pb2_grpc import ImportServiceStub
from crm_customer.imports import jobs
from crm_customer.imports.commands import create_import
from crm_customer.imports.model import Import, Mode
from crm_gateway.app import create_app
from crm_gateway.settings import Settings
from crm_kit.clock import system_now
from crm_kit.database.work import unit_of_work
from crm_kit.identity.access import SERVICE_ACCESS, Actor, Scope
from crm_kit.ids import new_id

from tests.service.customer.imports.calls import ENDED, PART, Run, SetAside, Upload, as_csv, claim_long
from tests.service.eventually import eventually
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def imports(customer: Running) -> "ImportServiceAsyncStub":
    return ImportServiceStub(customer.channel)


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def contacts(customer: Running) -> "ContactServiceAsyncStub":
    return ContactServiceStub(customer.channel)


@pytest.fixture
def upload(imports: "ImportServiceAsyncStub", user: User) -> Upload:
    """Uploads bytes as `user`, answers the upload's id."""

    async def upload_bytes(content: bytes, *, by: User = user, file_name: str = "客户.xlsx") -> str:
        begun = await imports.CreateUpload(
            pb.CreateUploadRequest(file_name=file_name, total_bytes=len(content)), metadata=by.metadata
        )
        for offset in range(0, len(content), PART):
            part = pb.AppendUploadRequest(id=begun.id, offset=offset, content=content[offset : offset + PART])
            await imports.AppendUpload(part, metadata=by.metadata)
        return begun.id

    return upload_bytes


@pytest.fixture
def run(imports: "ImportServiceAsyncStub", upload: Upload, user: User) -> Run:
    """Imports bytes (or rows, as CSV) as `user`, and answers the import once it has ended."""

    async def run_import(content: bytes | Sequence[Sequence[str]], *, by: User = user, **fields: Any) -> pb.Import:
        data = content if isinstance(content, bytes) else as_csv(content)
        job = pb.Import(upload_id=await upload(data, by=by), **{"mode": pb.Import.MODE_CREATE} | fields)
        made = await imports.CreateImport(pb.CreateImportRequest(job=job), metadata=by.metadata)

        async def ended() -> pb.Import | None:
            now = await imports.GetImport(pb.GetImportRequest(id=made.id), metadata=by.metadata)
            return now if now.state in ENDED else None

        done = await eventually(ended)
        assert done is not None
        return done

    return run_import


@pytest.fixture
def set_aside(customer: Running, upload: Upload, user: User) -> SetAside:
    """Makes an import that the service's own workers leave alone, as if another process had claimed it."""

    async def make(content: bytes, *, mode: Mode = Mode.CREATE) -> jobs.Job:
        upload_id = UUID(await upload(content))
        actor = Actor(user.tenant_id, user.id, SERVICE_ACCESS)
        holder = new_id()
        async with unit_of_work(customer.service.database, actor, scope=Scope.ALL, now=system_now()) as work:
            job: Import = await create_import(work, upload_id, mode=mode, values={"external_source": "sap"})
            await work.flush()
            work.execute(claim_long(), import_id=job.id, holder=holder, duration=timedelta(hours=1))
        return jobs.Job(user.tenant_id, job.id, holder)

    return make


@pytest.fixture
async def web(customer: Running, user: User) -> AsyncIterator[httpx.AsyncClient]:
    """A gateway in front of the service, called as `user`."""
    settings = Settings(customer_address=customer.service.settings.listen_address, max_upload_bytes=3 << 20)
    gateway = create_app(settings)
    headers = {"authorization": f"Bearer {user.token}"}
    transport = httpx.ASGITransport(app=gateway.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        yield client
    await gateway.close()
