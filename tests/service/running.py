"""A service at work inside the test process, and users to call it as."""

import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar
from uuid import UUID

import grpc
import jwt
from crm.customer.v1 import events_pb2, tenants_pb2
from crm.error.v1.etag_mismatch_pb2 import EtagMismatch
from crm.event.v1 import event_pb2
from crm_kit.clock import system_now
from crm_kit.database.work import UnitOfWork, unit_of_work
from crm_kit.directory.projection import project_role, project_team, project_tenant, project_user
from crm_kit.identity.access import SERVICE_USER, Scope, service_actor
from crm_kit.ids import new_id
from crm_kit.proposed import ANSWER_DAYS
from crm_kit.regions import DEFAULT_REGION
from crm_kit.rpc.status import DETAILS_KEY, reason_of
from crm_kit.service import Service
from crm_kit.service import running as service_running
from crm_kit.settings import read_settings
from crm_kit.zones import DEFAULT_ZONE
from crm_local.testing import Servers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from google.rpc.status_pb2 import Status
from jwt.algorithms import OKPAlgorithm

Detail = TypeVar("Detail", bound=Message)
ADMIN: Mapping[str, Scope] = {"*": Scope.ALL}


class Tokens:
    """An issuer whose keys every service under test trusts as the built-in one."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        public = OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        self._jwks = {"keys": [public | {"kid": "test", "alg": "EdDSA", "use": "sig"}]}

    async def keys(self) -> Mapping[str, Any]:
        return self._jwks

    def token(self, issuer: str, tenant_id: UUID, user_id: UUID, **claims: object) -> str:
        """A token that holds for an hour; claims may be overridden."""
        now = int(time.time())
        payload = {"iss": issuer, "aud": "guanxi", "iat": now, "exp": now + 3600}
        payload |= {"tenant": str(tenant_id), "sub": str(user_id)} | claims
        return jwt.encode(payload, self.key, algorithm="EdDSA", headers={"kid": "test"})


@dataclass(frozen=True)
class User:
    """Somebody of a tenant; `metadata` goes with their calls."""

    tenant_id: UUID
    id: UUID
    token: str
    team_id: UUID | None = None

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return (("authorization", f"Bearer {self.token}"),)

    def with_key(self, key: str) -> tuple[tuple[str, str], ...]:
        return (*self.metadata, ("idempotency-key", key))


@dataclass
class Running:
    """A service to call."""

    service: Service
    tokens: Tokens
    channel: grpc.aio.Channel
    tenants: dict[str, UUID] = field(default_factory=dict)

    async def tenant(self, *, sandbox: bool = False) -> UUID:
        """A new tenant, with no more in it than every tenant begins with."""
        id = new_id()
        await self.know_tenant(id, sandbox=sandbox)
        return id

    async def know_tenant(
        self,
        id: UUID,
        *,
        active: bool = True,
        sandbox: bool = False,
        clock_offset: timedelta = timedelta(0),
        time_zone: str = DEFAULT_ZONE,
        default_region: str = DEFAULT_REGION,
        change_proposal_days: int = ANSWER_DAYS,
        unmasked_fields: Sequence[str] = (),
        version: int = 1,
    ) -> None:
        """Have the service know a tenant, or how it has changed, as by its event; customer itself hears none."""
        slug = f"t{id.hex[-12:]}"
        if self.service.name == "customer":
            async with self.unit_of_work(id) as work:
                values: dict[str, Any] = {"active": active, "sandbox": sandbox, "clock_offset": clock_offset}
                values |= {"time_zone": time_zone, "default_region": default_region}
                values |= {"change_proposal_days": change_proposal_days, "unmasked_fields": unmasked_fields}
                project_tenant(work, id=id, slug=slug, version=version, **values)
            return
        tenant = tenants_pb2.Tenant(id=str(id), slug=slug, active=active, sandbox=sandbox, time_zone=time_zone)
        tenant.default_region, tenant.change_proposal_days = default_region, change_proposal_days
        tenant.unmasked_fields.extend(unmasked_fields)
        tenant.clock_offset.FromTimedelta(clock_offset)
        told = (events_pb2.TenantCreated if version == 1 else events_pb2.TenantClockAdvanced)(tenant=tenant)
        await self.hear(told, tenant_id=id, aggregate_id=id, version=version)

    async def hear(self, payload: Message, *, tenant_id: UUID, aggregate_id: UUID, version: int = 1) -> None:
        """Have the service handle an event of another service."""
        event = event_pb2.Event(
            id=str(new_id()),
            tenant_id=str(tenant_id),
            actor_id=str(SERVICE_USER),
            aggregate_id=str(aggregate_id),
            aggregate_version=version,
        )
        event.payload.Pack(payload)
        await self.service.consumers.apply(event)

    async def user(
        self,
        tenant_id: UUID | None = None,
        *,
        grants: Mapping[str, Scope] = ADMIN,
        team_id: UUID | None = None,
        name: str = "somebody",
        hidden_fields: Sequence[str] = (),
    ) -> User:
        """A new user, in a new tenant unless one is given; may do and see everything unless told otherwise."""
        tenant_id = tenant_id or await self.tenant()
        id, role_id = new_id(), new_id()
        async with self.unit_of_work(tenant_id) as work:
            project_role(
                work,
                id=role_id,
                grants=dict(grants),
                version=1,
                display_name="a role",
                hidden_fields=hidden_fields,
            )
            project_user(
                work,
                id=id,
                login=f"{id.hex[-12:]}@example.test",
                display_name=name,
                active=True,
                team_id=team_id,
                role_ids=[role_id],
                version=1,
            )
        token = self.tokens.token(self.service.settings.issuer, tenant_id, id)
        return User(tenant_id, id, token, team_id)

    async def change_user(self, user: User, *, active: bool = True, team_id: UUID | None = None) -> None:
        """Have the service know that a user was deactivated, or is in another team now; they have no rights left."""
        async with self.unit_of_work(user.tenant_id) as work:
            project_user(
                work,
                id=user.id,
                login=f"{user.id.hex[-12:]}@example.test",
                display_name="somebody",
                active=active,
                team_id=team_id,
                role_ids=[],
                version=2,
            )

    async def team(
        self, tenant_id: UUID, parent_id: UUID | None = None, *, name: str = "a team", leader: User | None = None
    ) -> UUID:
        """A new team."""
        id = new_id()
        async with self.unit_of_work(tenant_id) as work:
            leader_id = leader.id if leader else None
            project_team(work, id=id, display_name=name, parent_id=parent_id, leader_id=leader_id, version=1)
        return id

    def unit_of_work(self, tenant_id: UUID) -> contextlib.AbstractAsyncContextManager[UnitOfWork]:
        """A unit of work of the service itself, for what a test arranges or looks at below the contract."""
        return unit_of_work(self.service.database, service_actor(tenant_id), scope=Scope.ALL, now=system_now())


@contextlib.asynccontextmanager
async def running(name: str, servers: Servers, tokens: Tokens, *, listen_address: str = "") -> AsyncIterator[Running]:
    """Migrate, start and stop one service in this process; a second one of it listens at an address of its own."""
    await servers.migrate(name)
    package = f"crm_{name}"
    with environment(servers.environment(name)):
        app = import_module(f"{package}.app")
        settings = read_settings(app.SETTINGS)
    settings.drain_seconds = 0
    # On a busy machine a call may take longer than an old connection is still given.
    settings.connection_max_age_seconds = 86_400
    settings.listen_address = listen_address or settings.listen_address
    service = app.build(settings)
    async with (
        service_running(service, tokens.keys) as ready,
        grpc.aio.insecure_channel(settings.listen_address) as channel,
    ):
        await ready.wait()
        yield Running(service, tokens, channel)


@contextlib.contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


class Refusal:
    """What a refused call said; filled when the block has ended."""

    detail: str = ""
    fields: list[str]
    # What happened to a record since an etag: each action with its fields.
    unseen: list[tuple[str, list[str]]]
    # The values that the detail names.
    metadata: dict[str, str]


@contextlib.contextmanager
def refused(code: str, reason: str) -> Iterator[Refusal]:
    """The block's call is refused with this status code and reason."""
    refusal = Refusal()
    try:
        yield refusal
    except grpc.aio.AioRpcError as error:
        refusal.detail = error.details() or ""
        assert (error.code().name, reason_of(error)) == (code, reason), refusal.detail
        refusal.metadata = {key: value for info in details_of(error, ErrorInfo) for key, value in info.metadata.items()}
        refusal.fields = [violation.field for violation in violations_of(error)]
        refusal.unseen = [(each.action, list(each.fields)) for each in unseen_changes_of(error)]
    else:
        raise AssertionError(f"was not refused with {code} {reason}")


def violations_of(error: grpc.aio.AioRpcError) -> Iterator[BadRequest.FieldViolation]:
    """The fields that an error names."""
    for request in details_of(error, BadRequest):
        yield from request.field_violations


def unseen_changes_of(error: grpc.aio.AioRpcError) -> Iterator[EtagMismatch.Change]:
    """What an error says has happened since an etag."""
    for mismatch in details_of(error, EtagMismatch):
        yield from mismatch.changes


def details_of(error: grpc.aio.AioRpcError, kind: type[Detail]) -> Iterator[Detail]:
    """The details of this kind that an error has."""
    for key, value in error.trailing_metadata() or ():
        if key == DETAILS_KEY and isinstance(value, bytes):
            for packed in Status.FromString(value).details:
                detail = kind()
                if packed.Unpack(detail):
                    yield detail
