"""Every write on deliveries of feeds. Each function gathers one transaction's work, and holds the feed meanwhile."""

import hashlib
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import AlreadyExists, Conflict, CrmError, FailedPrecondition, NotFound
from crm_kit.etags import check_etag
from crm_kit.ids import new_id
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from google.protobuf.message import Message
from sqlalchemy import Interval, bindparam, func, update

from crm_customer.feeds.commands import tell_late, wake_feed, watch
from crm_customer.feeds.deliveries.content import digest_of
from crm_customer.feeds.deliveries.model import MAX_OPEN, Counted, FeedDelivery, HeldReason, State
from crm_customer.feeds.deliveries.queries import find_delivery, has_arrived, has_room, one_before, same_day
from crm_customer.feeds.deliveries.resource import FEED_DELIVERIES
from crm_customer.feeds.deliveries.rows import DECIMAL_POINT, RowTable, layout_of
from crm_customer.feeds.deliveries.tables import uncounted_deliveries
from crm_customer.feeds.model import Feed
from crm_customer.feeds.queries import get_told, timer_due
from crm_customer.feeds.resource import FEEDS
from crm_customer.imports.commands import (
    create_import,
    drafted_upload,
    drop_unneeded,
    hold_upload,
    put_upload,
    save_upload,
)
from crm_customer.imports.model import Import, Mode, Upload
from crm_customer.imports.queries import get_upload
from crm_customer.imports.tables import UPLOAD_LASTS

# Whoever dies at a file leaves it so long; whoever is at it renews its claim meanwhile.
CLAIM = timedelta(seconds=30)
RENEW_SECONDS = 8.0


async def receive_delivery(work: UnitOfWork, values: dict[str, Any]) -> FeedDelivery:
    """Take a delivery in, once: what its feed has under the same id is the answer, if it has the same content."""
    FEED_DELIVERIES.check_reaches(work.scope)
    feed = await FEEDS.get(work, values["feed_id"])
    known = await find_delivery(work, feed.id, values["delivery_id"])
    if known is not None and known.upload_id == values["upload_id"]:
        return unchanged(known, replace(known, **values))
    # Somebody who brings deliveries brings files of their own.
    with work.acting_as(work.actor, work.actor.access.scope("imports.write")):
        upload = (await get_upload(work, values["upload_id"])).seal()
        digest = await digest_of(work, upload)
        await wake_feed(work, feed.id)
        held = await hold_upload(work, upload.id)
    if held.received_bytes != upload.received_bytes:
        # It is known again by all of its file, not by what was there of it a moment ago.
        raise Conflict("more of the file came at the same time; send the delivery again")
    delivery = arrived(work, held, content_digest=digest, **values)
    # Whoever sends the same at the same time was waited for.
    known = await find_delivery(work, feed.id, delivery.delivery_id)
    if known is not None:
        return unchanged(known, delivery)
    await check_has_room(work, feed.id)
    if held.seal() != held:
        save_upload(work, held, held.seal())
    return put_new(work, delivery, held)


async def receive_rows(work: UnitOfWork, values: dict[str, Any], table: RowTable) -> FeedDelivery:
    """Take the rows of a delivery in, once, as the file that they would be."""
    FEED_DELIVERIES.check_reaches(work.scope)
    feed = await FEEDS.get(work, values["feed_id"])
    separator = (feed.layout.decimal_separator if feed.layout else "") or DECIMAL_POINT
    content = table.content(separator)
    await wake_feed(work, feed.id)
    upload = drafted_upload(work, file_name=f"{values['delivery_id']}.csv", content_type="text/csv", size=len(content))
    told = {"upload_id": upload.id, "of_rows": True, "decimal_separator": separator}
    # The same rows are known again whatever the feed's files are like by then.
    digest = hashlib.sha256(table.content(DECIMAL_POINT)).hexdigest()
    delivery = arrived(work, upload, content_digest=digest, **values | told)
    known = await find_delivery(work, feed.id, delivery.delivery_id)
    if known is not None:
        return unchanged(known, delivery)
    await check_has_room(work, feed.id)
    await put_upload(work, upload, content)
    return put_new(work, delivery, upload)


def arrived(work: UnitOfWork, upload: Upload, **values: Any) -> FeedDelivery:
    """A delivery that has just come, with its file. InvalidArgument for what it cannot say."""
    return FeedDelivery(
        id=new_id(),
        file_name=upload.file_name,
        sender_id=work.actor.user_id,
        expire_time=upload.create_time + UPLOAD_LASTS,
        create_time=work.now,
        update_time=work.now,
        **values,
    ).checked(work.actor.access.day_of(work.now))


async def check_has_room(work: UnitOfWork, feed_id: UUID) -> None:
    """FailedPrecondition while as many wait as can."""
    if not await has_room(work, feed_id):
        detail = f"{MAX_OPEN} deliveries of the feed wait already; release or reject them, or resume the feed"
        raise FailedPrecondition(detail, reason="FEED_DELIVERY_LIMIT_REACHED", metadata={"most": str(MAX_OPEN)})


def put_new(work: UnitOfWork, delivery: FeedDelivery, upload: Upload) -> FeedDelivery:
    """Gather a delivery that has come; it is counted next."""
    created = FEED_DELIVERIES.create(work, delivery)
    waiting = {"delivery_id": created.id, "tries": 0, "size": upload.received_bytes, "create_time": work.now}
    work.insert(uncounted_deliveries, waiting)
    return created


def unchanged(known: FeedDelivery, sent: FeedDelivery) -> FeedDelivery:
    """What is kept of a delivery that came again; AlreadyExists where it is another one under the same id."""
    fields = sent.differs_from(known)
    if fields:
        detail = f"the feed has brought another delivery {known.delivery_id!r}: {', '.join(fields)} differ"
        told = {"delivery_id": known.delivery_id, "fields": ", ".join(fields)}
        raise AlreadyExists(detail, reason="FEED_DELIVERY_CONFLICT", metadata=told)
    return known


async def count_delivery(work: UnitOfWork, before: FeedDelivery, counted: Counted) -> FeedDelivery:
    """Note what was counted, unless others have; it waits for its turn, or is held."""
    before = await held(work, before)
    if before.state is not State.RECEIVED:
        return before
    # It may have been changed while the rows were counted.
    feed = await FEEDS.get(work, before.feed_id)
    earlier = await work.one(one_before(), feed_id=feed.id, id=before.id, create_time=before.create_time)
    twin = await work.one(
        same_day(), feed_id=feed.id, id=before.id, day=before.data_date, create_time=before.create_time
    )
    same_content = earlier is not None and counted.rows > 0 and earlier["content_digest"] == before.content_digest
    after = before.count(
        counted,
        feed.mode,
        short=feed.is_short(counted.rows, earlier["rows_total"] if earlier else None),
        repeated=twin is not None or same_content,
    )
    if after.short:
        await tell(work, feed, after, Kind.NOTICE_KIND_FEED_SHORT)
    if after.repeated:
        await tell(work, feed, after, Kind.NOTICE_KIND_FEED_REPEATED)
    if after.state is State.HELD:
        await tell(work, feed, after, Kind.NOTICE_KIND_FEED_HELD, after.held_reason or "")
    work.delete(uncounted_deliveries, delivery_id=before.id)
    event = events.FeedDeliveryHeld if after.state is State.HELD else events.FeedDeliveryCounted
    return FEED_DELIVERIES.save(work, before, after, event)


async def held(work: UnitOfWork, delivery: FeedDelivery) -> FeedDelivery:
    """A delivery as it is now, of a feed that nobody else is at until the unit ends."""
    await wake_feed(work, delivery.feed_id)
    return await FEED_DELIVERIES.get(work, delivery.id)


async def release_delivery(work: UnitOfWork, before: FeedDelivery) -> FeedDelivery:
    """Have a held delivery carried out all the same."""
    feed = await FEEDS.get(work, before.feed_id)
    return await changed(work, before, before.release(feed.mode), events.FeedDeliveryReleased)


async def reject_delivery(work: UnitOfWork, before: FeedDelivery) -> FeedDelivery:
    """Have nothing come of a delivery."""
    rejected = await changed(work, before, before.reject(work.now), events.FeedDeliveryRejected)
    work.delete(uncounted_deliveries, delivery_id=before.id)
    await let_go_of_rows(work, rejected)
    return rejected


async def withdraw_delivery(work: UnitOfWork, id: UUID, *, etag: str) -> FeedDelivery:
    """Have nothing come of a delivery whose sender takes it back. NotFound for anybody else, EtagMismatch."""
    # Before anything is looked for, and the etag after the sender: neither refusal may tell that there is one.
    FEED_DELIVERIES.check_reaches(work.scope)
    told = await FEED_DELIVERIES.get(work, id)
    if told.sender_id != work.actor.user_id:
        # Who brings deliveries need not know of those of others.
        raise NotFound("the feed delivery does not exist", reason=FEED_DELIVERIES.not_found)
    before = await held(work, told)
    check_etag(etag, before.version)
    after = before.withdraw(by=work.actor.user_id, now=work.now)
    if after == before:
        return before
    work.delete(uncounted_deliveries, delivery_id=before.id)
    withdrawn = FEED_DELIVERIES.save(work, before, after, events.FeedDeliveryWithdrawn)
    await let_go_of_rows(work, withdrawn)
    await work.flush()
    await miss_again(work, before)
    return withdrawn


async def miss_again(work: UnitOfWork, withdrawn: FeedDelivery) -> None:
    """Have a day be missing whose window has passed, since its file was taken back.

    It is told of where the file had come in time: of one that came late it was. What came for a day before the feed was
    made was expected by nobody.
    """
    feed, day = await FEEDS.get(work, withdrawn.feed_id), withdrawn.data_date
    timer = await work.one(timer_due(), feed_id=feed.id)
    expected_day = timer["expected_day"] if timer else None
    if feed.schedule is None or not feed.is_active or expected_day is None or day >= expected_day:
        return
    due_time = feed.schedule.due_time(day, ZoneInfo(work.actor.access.time_zone))
    if due_time <= feed.create_time or not feed.schedule.expects(day) or await has_arrived(work, feed.id, day):
        return
    if withdrawn.create_time <= due_time:
        await tell_late(work, feed, day)
    watch(work, feed, replace(feed, missing_date=max(day, feed.missing_date or day)))


async def changed(work: UnitOfWork, before: FeedDelivery, after: FeedDelivery, event: type[Message]) -> FeedDelivery:
    """Gather what somebody has made of a delivery; what waits behind it is looked at."""
    FEED_DELIVERIES.check_reaches(work.scope)
    await wake_feed(work, before.feed_id)
    return FEED_DELIVERIES.save(work, before, after, event)


async def hold_delivery(work: UnitOfWork, feed: Feed, before: FeedDelivery) -> FeedDelivery:
    """Have a delivery wait for a person, since a newer day is in."""
    after = before.hold(HeldReason.OUT_OF_ORDER)
    await tell(work, feed, after, Kind.NOTICE_KIND_FEED_HELD, HeldReason.OUT_OF_ORDER)
    return FEED_DELIVERIES.save(work, before, after, events.FeedDeliveryHeld)


async def start_delivery(work: UnitOfWork, feed: Feed, before: FeedDelivery) -> FeedDelivery:
    """Have a delivery imported, by the rights of whose unit it is; both become true together, or neither."""
    observed = before.observed(work.now, ZoneInfo(work.actor.access.time_zone)) if feed.value_source else None
    job = await create_import(work, import_of(feed, before, observed))
    return FEED_DELIVERIES.save(work, before, before.start(job.id, work.now), events.FeedDeliveryStarted)


def import_of(feed: Feed, delivery: FeedDelivery, observed: datetime | None = None) -> dict[str, Any]:
    """The values of the import that carries a delivery out; `observed` is when its source was found to say them."""
    return {
        "upload_id": delivery.upload_id,
        "feed_delivery_id": delivery.id,
        # What is older than what is in creates accounts, and changes none that is there.
        "mode": Mode.CREATE if delivery.only_creates else feed.mode,
        "external_source": feed.external_source,
        "default_region": feed.default_region,
        "columns": feed.columns,
        "layout": layout_of(feed.layout, delivery.decimal_separator) if delivery.of_rows else feed.layout,
        "value_source": feed.value_source,
        "keep_values": feed.keep_values,
        "observed_time": observed,
        "skip_invalid_cells": feed.skip_invalid_cells,
        "keep_opportunities": feed.keep_opportunities,
        "account_owner_id": feed.account_owner_id,
    }


def draft_of(feed: Feed, delivery: FeedDelivery) -> Import:
    """The import that would carry a delivery out, which is not made yet."""
    times = {"create_time": delivery.create_time, "update_time": delivery.update_time}
    values = import_of(feed, delivery) | times
    return Import(id=delivery.id, file_name=delivery.file_name, owner_id=feed.activator_id, **values)


async def save_ended(work: UnitOfWork, feed: Feed, before: FeedDelivery, after: FeedDelivery) -> FeedDelivery:
    """Gather that a delivery has ended; whoever is responsible is told when it failed."""
    if after.state is State.FAILED:
        await tell(work, feed, after, Kind.NOTICE_KIND_FEED_FAILED, text=after.failure or "")
    await let_go_of_rows(work, after)
    return FEED_DELIVERIES.save(work, before, after, events.FeedDeliveryFinished)


async def let_go_of_rows(work: UnitOfWork, ended: FeedDelivery) -> None:
    """Gather that rows that came with a request are kept no longer as a file: nobody uploaded it, and it takes room."""
    if ended.of_rows:
        await drop_unneeded(work, ended.upload_id)


async def fail_delivery(work: UnitOfWork, feed: Feed, before: FeedDelivery, error: CrmError) -> FeedDelivery:
    """Gather that a delivery cannot be imported, unless something has become of it by now."""
    now = await held(work, before)
    return await end_in_vain(work, feed, now, error) if now.state is before.state else now


async def end_in_vain(work: UnitOfWork, feed: Feed, before: FeedDelivery, error: CrmError) -> FeedDelivery:
    """Gather that nothing comes of a delivery, whose feed the unit holds."""
    work.delete(uncounted_deliveries, delivery_id=before.id)
    return await save_ended(work, feed, before, before.fail(error, work.now))


async def tell(
    work: UnitOfWork, feed: Feed, delivery: FeedDelivery, kind: "Kind.ValueType", outcome: str = "", text: str = ""
) -> None:
    """Gather a notice about a delivery for who looks after its feed."""
    name = f"{feed.display_name} {delivery.data_date.isoformat()}"
    record = (FEED_DELIVERIES.collection, delivery.id)
    values = {OUTCOME: outcome} if outcome else {}
    told = await get_told(work, feed)
    raise_notice(work, kind, told, record=record, name=name, text=text, values=values, also_actor=True)


async def claim(work: UnitOfWork, delivery_id: UUID) -> int | None:
    """How often counting a delivery has begun, this time among them; None while another process is at it."""
    await work.flush()
    row = await work.one(take_claim(), delivery_id=delivery_id, duration=CLAIM)
    return int(row["tries"]) if row else None


def renew(work: UnitOfWork, delivery_id: UUID, tries: int) -> None:
    """Gather that a delivery is still being counted by who began it so many times."""
    work.execute(extend_claim(), delivery_id=delivery_id, tries=tries, duration=CLAIM)


def give_back(work: UnitOfWork, delivery_id: UUID) -> None:
    """Gather that counting a delivery has ended for no fault of the file."""
    work.execute(end_claim(), delivery_id=delivery_id)


@statement
def take_claim() -> Any:
    waiting = uncounted_deliveries
    return (
        update(waiting)
        .where(
            waiting.c.tenant_id == bindparam("tenant_id"),
            waiting.c.delivery_id == bindparam("delivery_id"),
            waiting.c.expire_time <= func.clock_timestamp(),
        )
        .values(tries=waiting.c.tries + 1, expire_time=func.clock_timestamp() + bindparam("duration", type_=Interval))
        .returning(waiting.c.tries)
    )


@statement
def extend_claim() -> Any:
    """Not one that others have taken over by now."""
    waiting = uncounted_deliveries
    return (
        update(waiting)
        .where(
            waiting.c.tenant_id == bindparam("tenant_id"),
            waiting.c.delivery_id == bindparam("delivery_id"),
            waiting.c.tries == bindparam("tries"),
        )
        .values(expire_time=func.clock_timestamp() + bindparam("duration", type_=Interval))
    )


@statement
def end_claim() -> Any:
    waiting = uncounted_deliveries
    return (
        update(waiting)
        .where(waiting.c.tenant_id == bindparam("tenant_id"), waiting.c.delivery_id == bindparam("delivery_id"))
        .values(tries=func.greatest(waiting.c.tries - 1, 0), expire_time=func.clock_timestamp())
    )
