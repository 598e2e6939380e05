"""Webhook endpoints for tests, written and read through the contract."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeAlias, cast

from crm.customer.v1 import accounts_pb2, webhook_deliveries_pb2, webhook_endpoints_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.webhook_deliveries_pb2_grpc import WebhookDeliveryServiceStub
from crm.customer.v1.webhook_endpoints_pb2_grpc import WebhookEndpointServiceStub
from crm.event.v1 import event_pb2
from crm.resource.v1 import events_pb2
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_kit.wire import timestamp
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import select

from tests.service.customer.webhooks.receiving import Received, Receiver
from tests.service.eventually import eventually
from tests.service.running import Running, User

pb = webhook_endpoints_pb2
Endpoint: TypeAlias = webhook_endpoints_pb2.WebhookEndpoint
Delivery: TypeAlias = webhook_deliveries_pb2.WebhookDelivery


@dataclass
class Hooks:
    """Those of one tenant, as an administrator of it."""

    customer: Running
    receiver: Receiver
    admin: User
    moved: timedelta = timedelta(0)
    _version: int = field(default=1)

    @classmethod
    async def of(cls, customer: Running, receiver: Receiver) -> "Hooks":
        return cls(customer, receiver, await customer.user(await customer.tenant(sandbox=True)))

    # --- endpoints

    async def create(self, by: User | None = None, **fields: Any) -> Endpoint:
        """One that is told of accounts unless told otherwise."""
        values: dict[str, Any] = {"display_name": "ERP", "url": self.receiver.url, "collections": ["accounts"]}
        request = pb.CreateWebhookEndpointRequest(webhook_endpoint=Endpoint(**(values | fields)))
        stub: Any = WebhookEndpointServiceStub(self.customer.channel)
        return cast("Endpoint", await stub.CreateWebhookEndpoint(request, metadata=(by or self.admin).metadata))

    async def create_under(self, key: str) -> Endpoint:
        """One that is told of accounts, created under an idempotency key."""
        endpoint = Endpoint(display_name="ERP", url=self.receiver.url, collections=["accounts"])
        request = pb.CreateWebhookEndpointRequest(webhook_endpoint=endpoint)
        stub: Any = WebhookEndpointServiceStub(self.customer.channel)
        return cast("Endpoint", await stub.CreateWebhookEndpoint(request, metadata=self.admin.with_key(key)))

    async def update(self, endpoint: Endpoint, by: User | None = None, **fields: Any) -> Endpoint:
        changed = Endpoint(id=endpoint.id, **fields)
        request = pb.UpdateWebhookEndpointRequest(webhook_endpoint=changed, update_mask=FieldMask(paths=fields))
        stub: Any = WebhookEndpointServiceStub(self.customer.channel)
        return cast("Endpoint", await stub.UpdateWebhookEndpoint(request, metadata=(by or self.admin).metadata))

    async def does(self, verb: str, endpoint: Endpoint, by: User | None = None, **fields: Any) -> Any:
        """What a verb on an endpoint answers: `Enable`, `Test`, `Replay`, ..."""
        name = "RotateWebhookEndpointSecret" if verb == "Rotate" else f"{verb}WebhookEndpoint"
        request = getattr(pb, f"{name}Request")(id=endpoint.id, **fields)
        stub: Any = WebhookEndpointServiceStub(self.customer.channel)
        return await getattr(stub, name)(request, metadata=(by or self.admin).metadata)

    async def read(self, endpoint: Endpoint) -> Endpoint:
        return cast("Endpoint", await self.does("Get", endpoint))

    # --- deliveries

    async def deliveries(self, filter: str = "", by: User | None = None) -> list[Delivery]:
        """The oldest first."""
        stub: Any = WebhookDeliveryServiceStub(self.customer.channel)
        request = webhook_deliveries_pb2.ListWebhookDeliveriesRequest(filter=filter, order_by="create_time")
        page = await stub.ListWebhookDeliveries(request, metadata=(by or self.admin).metadata)
        return list(page.webhook_deliveries)

    async def redeliver(self, delivery: Delivery, by: User | None = None) -> Delivery:
        stub: Any = WebhookDeliveryServiceStub(self.customer.channel)
        request = webhook_deliveries_pb2.RedeliverWebhookDeliveryRequest(id=delivery.id)
        return cast("Delivery", await stub.RedeliverWebhookDelivery(request, metadata=(by or self.admin).metadata))

    async def in_state(self, state: int, count: int = 1) -> list[Delivery]:
        """So many deliveries, once they are in a state."""

        async def found() -> list[Delivery]:
            there = [each for each in await self.deliveries() if each.state == state]
            return there if len(there) >= count else []

        return await eventually(found)

    async def tried(self, times: int) -> Delivery:
        """The only delivery, once it was tried so often."""

        async def found() -> Delivery | None:
            (only,) = await self.deliveries() or [Delivery()]
            return only if only.attempt_count >= times else None

        return cast("Delivery", await eventually(found))

    async def noted(self, record_id: str, count: int = 1) -> list[Delivery]:
        """The deliveries of a record, once there are so many."""

        async def found() -> list[Delivery]:
            there = await self.deliveries(f'record_id = "{record_id}"')
            return there if len(there) >= count else []

        return await eventually(found)

    async def skipped(self, record_id: str, count: int = 1) -> None:
        """Wait until so much of a record was noted, and see that it was skipped."""
        for each in await self.noted(record_id, count):
            assert each.state == Delivery.STATE_SKIPPED

    async def waiting(self, count: int) -> None:
        """Wait until so many deliveries were never tried."""

        async def there() -> bool:
            return len([each for each in await self.deliveries("state = PENDING") if each.attempt_count == 0]) >= count

        await eventually(there)

    async def until_disabled(self, endpoint: Endpoint, reason: int) -> None:
        async def is_disabled() -> bool:
            return (await self.read(endpoint)).disable_reason == reason

        await eventually(is_disabled)

    async def notices(self) -> list[events_pb2.NoticeRaised]:
        """What people were told of endpoints."""
        query = compile_statement(select(outbox.c.event).where(outbox.c.subject.contains(".NoticeRaised.")))
        rows = await self.customer.service.database.all(self.admin.tenant_id, query, {})
        told = [event_pb2.Event.FromString(row["event"]).payload.value for row in rows]
        return [events_pb2.NoticeRaised.FromString(each) for each in told]

    async def came(self, count: int) -> list[Received]:
        """What the receiver was sent, once it is so much."""

        async def there() -> bool:
            return len(self.receiver.received) >= count

        await eventually(there)
        return list(self.receiver.received)

    # --- what happens

    async def account(self, name: str = "华信电力", by: User | None = None) -> accounts_pb2.Account:
        account = accounts_pb2.Account(kind=accounts_pb2.Account.KIND_ORGANIZATION, display_name=name)
        stub: Any = AccountServiceStub(self.customer.channel)
        request = accounts_pb2.CreateAccountRequest(account=account)
        return cast("accounts_pb2.Account", await stub.CreateAccount(request, metadata=(by or self.admin).metadata))

    async def rename(self, account: accounts_pb2.Account, name: str) -> accounts_pb2.Account:
        changed = accounts_pb2.Account(id=account.id, display_name=name)
        request = accounts_pb2.UpdateAccountRequest(account=changed, update_mask=FieldMask(paths=["display_name"]))
        stub: Any = AccountServiceStub(self.customer.channel)
        return cast("accounts_pb2.Account", await stub.UpdateAccount(request, metadata=self.admin.metadata))

    async def put_away(self, account: accounts_pb2.Account) -> None:
        stub: Any = AccountServiceStub(self.customer.channel)
        await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=account.id), metadata=self.admin.metadata)

    async def order_happens(
        self, told: Message, changed_fields: Sequence[str] = (), *, times: int = 1
    ) -> event_pb2.Event:
        """An event of an order, as it is heard of from the sales service, so many times."""
        event = event_pb2.Event(
            id=str(new_id()),
            tenant_id=str(self.admin.tenant_id),
            actor_id=str(self.admin.id),
            aggregate_type="order",
            aggregate_id=str(new_id()),
            aggregate_version=2,
            occur_time=timestamp(system_now() + self.moved),
            changed_fields=changed_fields,
        )
        event.payload.Pack(told)
        (consumers,) = self.customer.service.more_consumers
        for _ in range(times):
            await consumers.apply(event)
        return event

    async def pass_time(self, more: timedelta) -> None:
        """Move the tenant's clock on."""
        self.moved += more
        self._version += 1
        await self.customer.know_tenant(
            self.admin.tenant_id, sandbox=True, clock_offset=self.moved, version=self._version
        )
