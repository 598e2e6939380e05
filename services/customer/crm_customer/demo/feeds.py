"""What another system of the demo tenant sends every night: a feed, and the last two of its deliveries."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from sqlalchemy import Select, bindparam, select

from crm_customer.feeds.commands import create_feed
from crm_customer.feeds.deliveries.commands import receive_delivery
from crm_customer.feeds.schedule import Schedule
from crm_customer.feeds.tables import feeds
from crm_customer.imports.commands import append_upload, create_upload
from crm_customer.imports.model import Mode

FEED: dict[str, Any] = {
    "display_name": "ERP 客户主数据",
    "external_source": "erp",
    "mode": Mode.UPSERT,
    "schedule": Schedule("06:00", days_later=1, grace_minutes=60),
    "least_percent": 50,
}
HEADER = "客户编号,客户名称,行业,地区"
# By how many days ago they are of.
DELIVERIES = {
    2: ("D-2001,南洲水务有限公司,water,广东", "D-2002,云岭矿业有限公司,mining,云南"),
    1: (
        "D-2001,南洲水务有限公司,water,广东",
        "D-2002,云岭矿业有限公司,copper,云南",
        "D-2003,江陵造纸有限公司,paper,湖北",
        # Whoever looks for duplicates finds one.
        "D-2004,江陵造纸股份有限公司,paper,湖北",
    ),
}


async def add_feed(work: UnitOfWork) -> int:
    """How many were missing; who is at work has activated it, and brings what it has."""
    if await work.one(feed_by_name(), display_name=FEED["display_name"]) is not None:
        return 0
    feed = await create_feed(work, dict(FEED))
    await work.flush()
    for days, rows in DELIVERIES.items():
        await bring(work, feed.id, days, rows)
    return 1


async def bring(work: UnitOfWork, feed_id: UUID, days: int, rows: tuple[str, ...]) -> None:
    """Send what is of so many days ago."""
    day = work.actor.access.day_of(work.now) - timedelta(days=days)
    content = "\n".join([HEADER, *rows, ""]).encode()
    name = f"customers-{day.isoformat()}.csv"
    upload = await create_upload(work, file_name=name, content_type="text/csv", total_bytes=len(content))
    await work.flush()
    await append_upload(work, upload.id, 0, content, last=True)
    await work.flush()
    delivery = {"feed_id": feed_id, "delivery_id": day.isoformat(), "data_date": day, "upload_id": upload.id}
    await receive_delivery(work, delivery | {"expected_rows": len(rows)})
    await work.flush()


@statement
def feed_by_name() -> Select[Any]:
    return select(feeds.c.id).where(
        feeds.c.tenant_id == bindparam("tenant_id"), feeds.c.display_name == bindparam("display_name")
    )
