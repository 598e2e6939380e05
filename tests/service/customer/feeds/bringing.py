"""What tests of feeds send and look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2, feeds_pb2, imports_pb2
from crm.customer.v1 import feed_deliveries_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.feed_deliveries_pb2_grpc import FeedDeliveryServiceStub
from crm.customer.v1.feeds_pb2_grpc import FeedServiceStub
from crm.customer.v1.imports_pb2_grpc import ImportServiceStub
from crm_customer.feeds.deliveries.carrying_out import CarryingOut
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.imports.calls import PART, as_csv
from tests.service.eventually import eventually
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.feed_deliveries_pb2_grpc import FeedDeliveryServiceAsyncStub
    from crm.customer.v1.feeds_pb2_grpc import FeedServiceAsyncStub
    from crm.customer.v1.imports_pb2_grpc import ImportServiceAsyncStub

Delivery = pb.FeedDelivery
ENDED = (
    Delivery.STATE_SUCCEEDED,
    Delivery.STATE_FAILED,
    Delivery.STATE_CANCELLED,
    Delivery.STATE_REJECTED,
    Delivery.STATE_WITHDRAWN,
)
HEADER = ("客户编号", "客户名称", "行业")
# A year ago: no clock that a test is run at makes it a day to come.
FIRST_DAY = (system_now() - timedelta(days=365)).date()


def day(number: int) -> str:
    """A day, counted from the first."""
    return (FIRST_DAY + timedelta(days=number)).isoformat()


@dataclass(frozen=True)
class Bringing:
    """Somebody who brings files by feeds."""

    running: Running
    user: User
    feeds: "FeedServiceAsyncStub"
    deliveries: "FeedDeliveryServiceAsyncStub"
    imports: "ImportServiceAsyncStub"
    accounts: "AccountServiceAsyncStub"

    def by(self, user: User) -> "Bringing":
        """The same as somebody else."""
        return replace(self, user=user)

    async def feed(self, **fields: Any) -> feeds_pb2.Feed:
        given: dict[str, Any] = {
            "display_name": "ERP 客户主数据",
            "external_source": "erp",
            "mode": imports_pb2.Import.MODE_UPSERT,
        }
        request = feeds_pb2.CreateFeedRequest(feed=feeds_pb2.Feed(**given | fields))
        return await self.feeds.CreateFeed(request, metadata=self.user.metadata)

    async def update(self, feed: feeds_pb2.Feed, *fields: str) -> feeds_pb2.Feed:
        request = feeds_pb2.UpdateFeedRequest(feed=feed, update_mask=FieldMask(paths=fields))
        return await self.feeds.UpdateFeed(request, metadata=self.user.metadata)

    async def upload(self, content: bytes) -> str:
        begun = await self.imports.CreateUpload(
            imports_pb2.CreateUploadRequest(file_name="kna1.csv", total_bytes=len(content)),
            metadata=self.user.metadata,
        )
        for offset in range(0, len(content), PART):
            part = imports_pb2.AppendUploadRequest(id=begun.id, offset=offset, content=content[offset : offset + PART])
            await self.imports.AppendUpload(part, metadata=self.user.metadata)
        return begun.id

    async def bring(
        self, feed: feeds_pb2.Feed, number: int, rows: Sequence[Sequence[str]] | bytes, **fields: Any
    ) -> Delivery:
        """Send a file for a day; its id is that of the day unless another is given."""
        content = rows if isinstance(rows, bytes) else as_csv([HEADER, *rows])
        given = {"delivery_id": f"kna1-{number}", "data_date": day(number), "upload_id": await self.upload(content)}
        return await self.send(feed, **given | fields)

    async def send(self, feed: feeds_pb2.Feed, **fields: Any) -> Delivery:
        request = pb.CreateFeedDeliveryRequest(feed_delivery=Delivery(feed_id=feed.id, **fields))
        return await self.deliveries.CreateFeedDelivery(request, metadata=self.user.metadata)

    async def deliver(
        self, feed: feeds_pb2.Feed, number: int, rows: Sequence[Mapping[str, Any]], **fields: Any
    ) -> Delivery:
        """Send rows for a day in the request itself."""
        given = {"feed_id": feed.id, "delivery_id": f"rows-{number}", "data_date": day(number)}
        request = pb.DeliverFeedRowsRequest(**given | fields)
        for row in rows:
            request.rows.add().update(row)
        return await self.deliveries.DeliverFeedRows(request, metadata=self.user.metadata)

    async def withdraw(self, delivery: Delivery, etag: str = "") -> Delivery:
        request = pb.WithdrawFeedDeliveryRequest(id=delivery.id, etag=etag)
        return await self.deliveries.WithdrawFeedDelivery(request, metadata=self.user.metadata)

    async def get(self, delivery: Delivery) -> Delivery:
        return await self.deliveries.GetFeedDelivery(
            pb.GetFeedDeliveryRequest(id=delivery.id), metadata=self.user.metadata
        )

    async def get_feed(self, feed: feeds_pb2.Feed) -> feeds_pb2.Feed:
        return await self.feeds.GetFeed(feeds_pb2.GetFeedRequest(id=feed.id), metadata=self.user.metadata)

    async def in_state(self, delivery: Delivery, *states: "Delivery.State.ValueType") -> Delivery:
        """The delivery once it is in one of the states."""

        async def there() -> Delivery | None:
            now = await self.get(delivery)
            return now if now.state in states else None

        found = await eventually(there)
        assert found is not None
        return found

    async def ended(self, delivery: Delivery) -> Delivery:
        return await self.in_state(delivery, *ENDED)

    async def held(self, delivery: Delivery) -> Delivery:
        return await self.in_state(delivery, Delivery.STATE_HELD)

    async def release(self, delivery: Delivery) -> Delivery:
        request = pb.ReleaseFeedDeliveryRequest(id=delivery.id)
        return await self.deliveries.ReleaseFeedDelivery(request, metadata=self.user.metadata)

    async def reject(self, delivery: Delivery) -> Delivery:
        request = pb.RejectFeedDeliveryRequest(id=delivery.id)
        return await self.deliveries.RejectFeedDelivery(request, metadata=self.user.metadata)

    async def feed_is(self, feed: feeds_pb2.Feed, **values: Any) -> feeds_pb2.Feed:
        """The feed once it has these values."""

        async def there() -> feeds_pb2.Feed | None:
            now = await self.get_feed(feed)
            return now if all(getattr(now, name) == value for name, value in values.items()) else None

        found = await eventually(there)
        assert found is not None
        return found

    async def industries(self) -> dict[str, str]:
        """What is known of each account by its name."""
        request = accounts_pb2.ListAccountsRequest(page_size=200)
        page = await self.accounts.ListAccounts(request, metadata=self.user.metadata)
        return {each.display_name: each.industry for each in page.accounts}

    async def imports_of(self, delivery: Delivery) -> list[imports_pb2.Import]:
        request = imports_pb2.ListImportsRequest(filter=f'feed_delivery_id = "{delivery.id}"')
        page = await self.imports.ListImports(request, metadata=self.user.metadata)
        return list(page.imports)


def bringing_by(customer: Running, user: User) -> Bringing:
    """A user with the services of feeds."""
    channel = customer.channel
    return Bringing(
        running=customer,
        user=user,
        feeds=FeedServiceStub(channel),
        deliveries=FeedDeliveryServiceStub(channel),
        imports=ImportServiceStub(channel),
        accounts=AccountServiceStub(channel),
    )


async def in_sandbox(bringing: Bringing) -> Bringing:
    """The same in a tenant whose clock can be moved."""
    return bringing.by(await bringing.running.user(await bringing.running.tenant(sandbox=True)))


async def move_clock(running: Running, tenant_id: UUID, offset: timedelta, version: int) -> None:
    """Move a tenant's clock, and have its feeds looked at."""
    await running.know_tenant(tenant_id, sandbox=True, clock_offset=offset, time_zone="Asia/Shanghai", version=version)
    await look(running)


async def look(running: Running) -> None:
    """As another process does."""
    tenants = Tenants(running.service.database, running.service.clock)
    await CarryingOut(tenants, running.service.directory, lambda: None).look()
