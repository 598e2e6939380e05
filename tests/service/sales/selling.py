"""What sales tests share: the service's clients, people in several services at once, and what was emitted."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import grpc
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer_events
from crm.event.v1 import event_pb2
from crm.sales.v1 import events_pb2, pools_pb2
from crm.sales.v1.leads_pb2_grpc import LeadServiceStub
from crm.sales.v1.opportunities_pb2_grpc import OpportunityServiceStub
from crm.sales.v1.orders_pb2_grpc import OrderServiceStub
from crm.sales.v1.payments_pb2_grpc import PaymentServiceStub
from crm.sales.v1.pipelines_pb2_grpc import PipelineServiceStub
from crm.sales.v1.pools_pb2_grpc import PoolServiceStub
from crm.scoring.v1 import credit_pb2
from crm.type.v1 import money_pb2
from crm_kit.database.statements import compile_statement
from crm_kit.directory.projection import project_role, project_user
from crm_kit.events.outbox import TYPE_URL
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_kit.projections import put_newest
from crm_sales.accounts.tables import accounts
from google.protobuf import any_pb2
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import Text, bindparam, cast, select

from tests.service.running import ADMIN, Running, User

if TYPE_CHECKING:
    from crm.sales.v1.leads_pb2_grpc import LeadServiceAsyncStub
    from crm.sales.v1.opportunities_pb2_grpc import OpportunityServiceAsyncStub
    from crm.sales.v1.orders_pb2_grpc import OrderServiceAsyncStub
    from crm.sales.v1.payments_pb2_grpc import PaymentServiceAsyncStub
    from crm.sales.v1.pipelines_pb2_grpc import PipelineServiceAsyncStub
    from crm.sales.v1.pools_pb2_grpc import PoolServiceAsyncStub

Emitted = TypeVar("Emitted", bound=Message)
EMITTED = compile_statement(
    select(outbox.c.event)
    .where(outbox.c.tenant_id == bindparam("tenant_id"), cast(outbox.c.aggregate_id, Text) == bindparam("id"))
    .order_by(outbox.c.id)
)


@dataclass(frozen=True)
class Sales:
    """The service's clients."""

    leads: "LeadServiceAsyncStub"
    pools: "PoolServiceAsyncStub"
    pipelines: "PipelineServiceAsyncStub"
    opportunities: "OpportunityServiceAsyncStub"
    orders: "OrderServiceAsyncStub"
    payments: "PaymentServiceAsyncStub"


def clients(sales: Running) -> Sales:
    channel = sales.channel
    return Sales(
        LeadServiceStub(channel),
        PoolServiceStub(channel),
        PipelineServiceStub(channel),
        OpportunityServiceStub(channel),
        OrderServiceStub(channel),
        PaymentServiceStub(channel),
    )


async def pool_of(api: Sales, user: User) -> pools_pb2.Pool:
    """The pool of the user's tenant."""
    (pool,) = (await api.pools.ListPools(pools_pb2.ListPoolsRequest(), metadata=user.metadata)).pools
    return pool


async def change_rules(api: Sales, user: User, rules: pools_pb2.PoolRules, etag: str = "") -> pools_pb2.Pool:
    """Give the pool of the user's tenant these rules."""
    changed = pools_pb2.Pool(id=(await pool_of(api, user)).id, rules=rules, etag=etag)
    request = pools_pb2.UpdatePoolRequest(pool=changed, update_mask=FieldMask(paths=["rules"]))
    return await api.pools.UpdatePool(request, metadata=user.metadata)


def cny(amount: str) -> money_pb2.Money:
    return money_pb2.Money(amount=amount, currency_code="CNY")


async def known_account(sales: Running, tenant_id: UUID, owner: User | None = None, *, id: UUID | None = None) -> str:
    """An account that the sales service has heard of."""
    id = id or new_id()
    async with sales.unit_of_work(tenant_id) as work:
        owned = {"owner_id": owner.id if owner else None, "owner_team_id": owner.team_id if owner else None}
        put_newest(work, accounts, {"id": id, "display_name": "华信电力", "version": 1} | owned)
    return str(id)


async def also_in(service: Running, user: User, grants: Mapping[str, Scope] = ADMIN) -> None:
    """Have another service know the user and their tenant."""
    await service.know_tenant(user.tenant_id)
    async with service.unit_of_work(user.tenant_id) as work:
        role_id = new_id()
        project_role(work, id=role_id, grants=dict(grants), version=1)
        project_user(
            work,
            id=user.id,
            login=f"{user.id.hex[-12:]}@example.test",
            display_name="somebody",
            active=True,
            team_id=user.team_id,
            role_ids=[role_id],
            version=1,
        )


async def move_clock(sales: Running, tenant_id: UUID, ahead: timedelta, *, version: int) -> None:
    """Move a sandbox tenant's clock."""
    await sales.know_tenant(tenant_id, sandbox=True, clock_offset=ahead, version=version)


async def emitted(sales: Running, tenant_id: UUID, id: str) -> list[Message]:
    """What was emitted of one resource, in order."""
    async with sales.unit_of_work(tenant_id) as work:
        rows = await work.all(EMITTED, id=id)
    return [payload_of(row["event"]) for row in rows]


def payload_of(data: bytes) -> Message:
    event = event_pb2.Event.FromString(data)
    name = event.payload.type_url.rpartition(".")[2]
    payload: Message = getattr(events_pb2, name)()
    assert event.payload.Unpack(payload)
    return payload


def names_of(events: list[Message]) -> list[str]:
    return [event.DESCRIPTOR.name for event in events]


Answer = Callable[[credit_pb2.CheckCreditRequest], Awaitable[credit_pb2.CheckCreditResponse]]


@contextlib.asynccontextmanager
async def credit_service(answer: Answer) -> AsyncIterator[str]:
    """A scoring service that answers credit checks as told; its address."""
    server = grpc.aio.server()

    async def check(request: credit_pb2.CheckCreditRequest, _context: Any) -> credit_pb2.CheckCreditResponse:
        return await answer(request)

    handler = grpc.unary_unary_rpc_method_handler(
        check,
        request_deserializer=credit_pb2.CheckCreditRequest.FromString,
        response_serializer=credit_pb2.CheckCreditResponse.SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler("crm.scoring.v1.CreditService", {"CheckCredit": handler})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def owner_changed(account_id: str, by: User, version: int, former: User, owner: User, **told: Any) -> event_pb2.Event:
    """The event that an account has another owner."""
    account = accounts_pb2.Account(id=account_id, display_name="华信", owner_id=str(owner.id))
    payload = customer_events.AccountOwnerChanged(account=account, former_owner_id=str(former.id), **told)
    name = payload.DESCRIPTOR.full_name
    return event_pb2.Event(
        id=str(new_id()),
        tenant_id=str(by.tenant_id),
        actor_id=str(by.id),
        aggregate_type="account",
        aggregate_id=account_id,
        aggregate_version=version,
        payload=any_pb2.Any(type_url=TYPE_URL + name, value=payload.SerializeToString()),
    )
