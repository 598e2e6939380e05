"""UserService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import users_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.identity.access import Scope
from crm_kit.paging import PageTokens

from crm_customer.directory.tokens.passwords import Passwords
from crm_customer.directory.users import commands
from crm_customer.directory.users.queries import LISTING, get_user, user_from
from crm_customer.directory.users.wire import CHANGEABLE, current_user_to_pb, user_to_pb


class UserServicer:
    contract = pb.DESCRIPTOR.services_by_name["UserService"]

    def __init__(self, tokens: PageTokens, directory: Directory, passwords: Passwords) -> None:
        self._tokens = tokens
        self._directory = directory
        self._passwords = passwords

    async def CreateUser(self, request: pb.CreateUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        return user_to_pb(await commands.create_user(work, **CHANGEABLE.all_of(request.user)))

    async def GetUser(self, request: pb.GetUserRequest, reader: Reader) -> pb.User:
        return user_to_pb(await get_user(reader, UUID(request.id)))

    async def ListUsers(self, request: pb.ListUsersRequest, reader: Reader) -> pb.ListUsersResponse:
        page = await LISTING.page(reader, request, self._tokens)
        return pb.ListUsersResponse(
            users=[user_to_pb(user_from(row)) for row in page.rows],
            next_page_token=page.next_token,
            prev_page_token=page.prev_token,
        )

    async def UpdateUser(self, request: pb.UpdateUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        values = CHANGEABLE.masked(request.user, request.update_mask)
        user = await commands.update_user(work, UUID(request.user.id), values, etag=request.user.etag)
        return user_to_pb(user)

    async def DeactivateUser(self, request: pb.DeactivateUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        return user_to_pb(await commands.deactivate_user(work, UUID(request.id), etag=request.etag))

    async def ActivateUser(self, request: pb.ActivateUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        return user_to_pb(await commands.activate_user(work, UUID(request.id), etag=request.etag))

    async def SetPassword(self, request: pb.SetPasswordRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        # Before the unit takes a connection: whoever waits for a hash must not hold one.
        hashed = await self._passwords.hash(request.password)
        return user_to_pb(await commands.set_password(work, UUID(request.id), hashed))

    async def GetCurrentUser(self, _request: pb.GetCurrentUserRequest, reader: Reader) -> pb.CurrentUser:
        user = await get_user(reader, reader.actor.user_id, scope=Scope.ALL)
        return current_user_to_pb(user, reader.actor.access)

    async def UpdateCurrentUser(self, request: pb.UpdateCurrentUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        values = CHANGEABLE.masked(request.user, request.update_mask)
        return user_to_pb(await commands.update_own_user(work, values, etag=request.user.etag))

    def _changes_directory(self, work: UnitOfWork) -> None:
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))
