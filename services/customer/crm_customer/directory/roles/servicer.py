"""RoleService: from message to command or query and back, nothing else."""

from crm.customer.v1 import roles_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.paging import PageTokens

from crm_customer.directory.roles import commands
from crm_customer.directory.roles.resource import ROLES


class RoleServicer:
    contract = pb.DESCRIPTOR.services_by_name["RoleService"]

    def __init__(self, tokens: PageTokens, directory: Directory) -> None:
        self._tokens = tokens
        self._directory = directory

    async def CreateRole(self, request: pb.CreateRoleRequest, work: UnitOfWork) -> pb.Role:
        self._changes_directory(work)
        return ROLES.message(work, commands.create_role(work, ROLES.values_of(request.role)))

    async def GetRole(self, request: pb.GetRoleRequest, reader: Reader) -> pb.Role:
        return await ROLES.read(reader, request.id)

    async def ListRoles(self, request: pb.ListRolesRequest, reader: Reader) -> pb.ListRolesResponse:
        return await ROLES.list(reader, request, pb.ListRolesResponse, self._tokens)

    async def UpdateRole(self, request: pb.UpdateRoleRequest, work: UnitOfWork) -> pb.Role:
        self._changes_directory(work)
        before, values = await ROLES.to_update(work, request)
        return ROLES.message(work, await commands.update_role(work, before, values))

    def _changes_directory(self, work: UnitOfWork) -> None:
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))
