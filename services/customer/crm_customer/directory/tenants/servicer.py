"""TenantService: from message to command or query and back, nothing else."""

from crm.customer.v1 import tenants_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory

from crm_customer.directory.roles.rights import check_whole_tenant
from crm_customer.directory.tenants import commands
from crm_customer.directory.tenants.queries import get_tenant
from crm_customer.directory.tenants.wire import tenant_to_pb


class TenantServicer:
    contract = pb.DESCRIPTOR.services_by_name["TenantService"]

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def GetTenant(self, _request: pb.GetTenantRequest, reader: Reader) -> pb.Tenant:
        tenant = await get_tenant(reader)
        # By the row, which is newer than what the caller's access was read from.
        now = reader.now - reader.actor.access.clock_offset + tenant.clock_offset
        return tenant_to_pb(tenant, now=now)

    async def AdvanceTestClock(self, request: pb.AdvanceTestClockRequest, work: UnitOfWork) -> pb.Tenant:
        check_whole_tenant(work.scope)
        duration = request.duration.ToTimedelta()
        tenant = await commands.advance_test_clock(work, duration)
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))
        now = work.now - work.actor.access.clock_offset + tenant.clock_offset
        return tenant_to_pb(tenant, now=now)
