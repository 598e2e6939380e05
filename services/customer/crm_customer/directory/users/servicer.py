"""UserService: from message to command or query and back, nothing else."""

from datetime import datetime
from uuid import UUID

from crm.customer.v1 import roles_pb2
from crm.customer.v1 import users_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.identity.access import Actor, Scope
from crm_kit.paging import PageTokens
from crm_kit.wire import duration, timestamp

from crm_customer.directory.user_settings.model import UserSettings
from crm_customer.directory.user_settings.queries import get_settings
from crm_customer.directory.user_settings.wire import settings_to_pb
from crm_customer.directory.users import commands
from crm_customer.directory.users.passwords import Passwords
from crm_customer.directory.users.resource import USERS


class UserServicer:
    contract = pb.DESCRIPTOR.services_by_name["UserService"]

    def __init__(self, tokens: PageTokens, directory: Directory, passwords: Passwords) -> None:
        self._tokens = tokens
        self._directory = directory
        self._passwords = passwords

    async def CreateUser(self, request: pb.CreateUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        return USERS.message(work, await commands.create_user(work, USERS.values_of(request.user)))

    async def GetUser(self, request: pb.GetUserRequest, reader: Reader) -> pb.User:
        return await USERS.read(reader, request.id)

    async def ListUsers(self, request: pb.ListUsersRequest, reader: Reader) -> pb.ListUsersResponse:
        return await USERS.list(reader, request, pb.ListUsersResponse, self._tokens)

    async def UpdateUser(self, request: pb.UpdateUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        before, values = await USERS.to_update(work, request)
        return USERS.message(work, await commands.update_user(work, before, values))

    async def DeactivateUser(self, request: pb.DeactivateUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        return USERS.message(work, await commands.deactivate_user(work, await USERS.target(work, request)))

    async def ActivateUser(self, request: pb.ActivateUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        return USERS.message(work, await commands.activate_user(work, await USERS.target(work, request)))

    async def SetPassword(self, request: pb.SetPasswordRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        # Before the unit takes a connection: whoever waits for a hash must not hold one.
        hashed = await self._passwords.hash(request.password, work.tenant_id)
        return USERS.message(work, await commands.set_password(work, await USERS.get(work, UUID(request.id)), hashed))

    async def GetCurrentUser(self, _request: pb.GetCurrentUserRequest, reader: Reader) -> pb.CurrentUser:
        user = await USERS.get(reader, reader.actor.user_id, scope=Scope.ALL)
        settings = await get_settings(reader, reader.actor.user_id)
        return current_user(USERS.message(reader, user), reader.actor, settings, reader.now)

    async def UpdateCurrentUser(self, request: pb.UpdateCurrentUserRequest, work: UnitOfWork) -> pb.User:
        self._changes_directory(work)
        request.user.id = str(work.actor.user_id)
        before, values = await USERS.to_update(work, request)
        return USERS.message(work, await commands.update_own_user(work, before, values))

    def _changes_directory(self, work: UnitOfWork) -> None:
        work.after_commit.append(lambda: self._directory.forget(work.tenant_id))


def current_user(user: pb.User, actor: Actor, settings: UserSettings, now: datetime) -> pb.CurrentUser:
    """Who the caller is, what they may do, in the order of the permissions, what they have set, and the time."""
    grants = [
        roles_pb2.Grant(permission=permission, scope=roles_pb2.Grant.Scope.Value(f"SCOPE_{scope.name}"))
        for permission, scope in sorted(actor.access.grants.items())
    ]
    team_ids = map(str, actor.access.team_ids)
    return pb.CurrentUser(
        user=user,
        grants=grants,
        team_ids=team_ids,
        tenant_id=str(actor.tenant_id),
        settings=settings_to_pb(settings),
        server_time=timestamp(now),
        clock_offset=duration(actor.access.clock_offset),
        hidden_fields=sorted(
            f"{name}.{field}" for name in actor.access.hidden for field in actor.access.hidden_of(name)
        ),
    )
