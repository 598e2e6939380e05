"""RoleService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import roles_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.paging import PageTokens

from crm_customer.directory.roles import commands
from crm_customer.directory.roles.queries import LISTING, get_role, role_from
from crm_customer.directory.roles.rights import check_whole_tenant
from crm_customer.directory.roles.wire import CHANGEABLE, grants_from, role_to_pb


class RoleServicer:
    contract = pb.DESCRIPTOR.services_by_name["RoleService"]

    def __init__(self, tokens: PageTokens, directory: Directory) -> None:
        self._tokens = tokens
        self._directory = directory

    async def CreateRole(self, request: pb.CreateRoleRequest, work: UnitOfWork) -> pb.Role:
        self._changes_directory(work)
        grants = grants_from(request.role.grants)
        return role_to_pb(commands.create_role(work, display_name=request.role.display_name, grants=grants))

    async def GetRole(self, request: pb.GetRoleRequest, reader: Reader) -> pb.Role:
        return role_to_pb(await get_role(reader, UUID(request.id)))

    async def ListRoles(self, request: pb.ListRolesRequest, reader: Reader) -> pb.ListRolesResponse:
        page = await LISTING.page(reader, request, self._tokens)
        return pb.ListRolesResponse(
            roles=[role_to_pb(role_from(row)) for row in page.rows],
            next_page_token=page.next_token,
            prev_page_token=page.prev_token,
        )

    async def UpdateRole(self, request: pb.UpdateRoleRequest, work: UnitOfWork) -> pb.Role:
        self._changes_directory(work)
        values = CHANGEABLE.masked(request.role, request.update_mask)
        role = await commands.update_role(work, UUID(request.role.id), values, etag=request.role.etag)
        return role_to_pb(role)

    def _changes_directory(self, work: UnitOfWork) -> None:
        check_whole_tenant(work.scope)
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))
