"""TenantService: from message to command or query and back, nothing else."""

from crm.customer.v1 import tenants_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory

from crm_customer.directory.tenants import commands
from crm_customer.directory.tenants.queries import get_tenant, now_on
from crm_customer.directory.tenants.resource import TENANTS


class TenantServicer:
    contract = pb.DESCRIPTOR.services_by_name["TenantService"]

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def GetTenant(self, _request: pb.GetTenantRequest, reader: Reader) -> pb.Tenant:
        tenant = await get_tenant(reader)
        return TENANTS.message_of(tenant.at(now_on(tenant, reader)))

    async def UpdateTenant(self, request: pb.UpdateTenantRequest, work: UnitOfWork) -> pb.Tenant:
        request.tenant.id = str(work.tenant_id)
        before, values = await TENANTS.to_update(work, request)
        tenant = commands.update_tenant(work, before, values)
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))
        return TENANTS.message_of(tenant.at(now_on(tenant, work)))

    async def AdvanceTestClock(self, request: pb.AdvanceTestClockRequest, work: UnitOfWork) -> pb.Tenant:
        tenant = await commands.advance_test_clock(work, request.duration.ToTimedelta())
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))
        return TENANTS.message(work, tenant)
