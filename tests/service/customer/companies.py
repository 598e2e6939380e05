"""Whole tenants for tests of the directory: opened as an operator does, with people who can be called as."""

from dataclasses import dataclass
from uuid import UUID

from argon2 import PasswordHasher
from crm.customer.v1 import roles_pb2, users_pb2
from crm.customer.v1.roles_pb2_grpc import RoleServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm.resource.v1 import events_pb2 as resource
from crm_customer.directory.opening import Opening, open_tenant
from crm_customer.directory.users.passwords import Passwords
from crm_customer.directory.users.queries import get_users_by_logins
from crm_kit.clock import system_now
from crm_kit.database.work import ReadSession
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import new_id
from google.protobuf.message import Message

from tests.service.approving import Policy, Row
from tests.service.customer.told import told_of
from tests.service.running import Running, User

PASSWORD = "a password long enough"
ADMIN_LOGIN = "admin@company.test"
# Weaker than what the service makes, so that a sign-in replaces it.
QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
SCOPES = {
    Scope.OWN: roles_pb2.Grant.SCOPE_OWN,
    Scope.TEAM: roles_pb2.Grant.SCOPE_TEAM,
    Scope.ALL: roles_pb2.Grant.SCOPE_ALL,
}


@dataclass(frozen=True)
class Company:
    """A tenant with its administrator."""

    customer: Running
    tenant_id: UUID
    slug: str
    admin: User

    @property
    def eyes(self) -> ReadSession:
        """Looks below the contract."""
        database = self.customer.service.database
        return ReadSession(database, service_actor(self.tenant_id), scope=Scope.ALL, now=system_now())

    def acting(self, user: users_pb2.User) -> User:
        """Somebody of this tenant to call as."""
        issuer = self.customer.service.settings.issuer
        id = UUID(user.id)
        return User(self.tenant_id, id, self.customer.tokens.token(issuer, self.tenant_id, id))

    async def built_in(self, name: str) -> roles_pb2.Role:
        """A role that the platform brings."""
        found = await RoleServiceStub(self.customer.channel).ListRoles(
            roles_pb2.ListRolesRequest(filter=f'built_in = true AND display_name = "{name}"'),
            metadata=self.admin.metadata,
        )
        return found.roles[0]

    async def role(self, by: User | None = None, **permissions: Scope) -> roles_pb2.Role:
        """A new role; `accounts_read=Scope.OWN` grants accounts.read, `everything=Scope.ALL` is `*`."""
        grants = [
            roles_pb2.Grant(
                permission="*" if name == "everything" else ".".join(name.rsplit("_", 1)), scope=SCOPES[scope]
            )
            for name, scope in permissions.items()
        ]
        role = roles_pb2.Role(display_name=f"role {new_id().hex[-12:]}", grants=grants)
        return await RoleServiceStub(self.customer.channel).CreateRole(
            roles_pb2.CreateRoleRequest(role=role), metadata=(by or self.admin).metadata
        )

    async def user(
        self, *roles: roles_pb2.Role, team_id: str = "", domain: str = "company.test", by: User | None = None
    ) -> users_pb2.User:
        """A new user with these roles."""
        user = users_pb2.User(
            display_name="Somebody",
            login=f"{new_id().hex[-12:]}@{domain}",
            team_id=team_id,
            role_ids=[role.id for role in roles],
        )
        return await UserServiceStub(self.customer.channel).CreateUser(
            users_pb2.CreateUserRequest(user=user), metadata=(by or self.admin).metadata
        )

    async def hear_of_policy(self, *rows: Row, id: str = "", archived: bool = False, version: int = 1) -> Policy:
        """Have the service hear of an approval policy of another service, or of its change."""
        state = Policy.STATE_ARCHIVED if archived else Policy.STATE_ACTIVE
        policy = Policy(id=id or str(new_id()), verb="release", display_name="审批", rows=rows, state=state)
        told = (resource.ApprovalPolicyCreated if version == 1 else resource.ApprovalPolicyUpdated)(
            approval_policy=policy
        )
        await self.customer.hear(told, tenant_id=self.tenant_id, aggregate_id=UUID(policy.id), version=version)
        return policy

    async def told(self, id: str) -> list[Message]:
        """What the events of a record say, in their order."""
        return await told_of(self.customer, self.tenant_id, id)


async def open_company(customer: Running, *, sandbox: bool = False) -> Company:
    """A new tenant, opened as `create-tenant` does."""
    slug = f"c{new_id().hex[-12:]}"
    opening = Opening(slug, "Company", ADMIN_LOGIN, "Administrator", PASSWORD, sandbox)
    tenant_id, is_new = await open_tenant(customer.service.database, QUICK, opening)
    assert is_new
    eyes = ReadSession(customer.service.database, service_actor(tenant_id), scope=Scope.ALL, now=system_now())
    admin = (await get_users_by_logins(eyes, [ADMIN_LOGIN]))[ADMIN_LOGIN]
    token = customer.tokens.token(customer.service.settings.issuer, tenant_id, admin.id)
    return Company(customer, tenant_id, slug, User(tenant_id, admin.id, token))
