"""A sender that has sent a wrong file takes it back, as long as nothing has come of it."""

import asyncio
import itertools
from datetime import timedelta

import grpc
import pytest
from crm.customer.v1 import feeds_pb2
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.rpc.status import reason_of

from tests.service.customer.feeds.bringing import Bringing, Delivery, in_sandbox, look, move_clock
from tests.service.customer.told import told_of
from tests.service.eventually import eventually
from tests.service.notices import told

POWER, STEEL = ("K-1", "华信电力", "power"), ("K-2", "北辰钢铁", "steel")
PROGRAM = {"feeds.deliver": Scope.ALL, "imports.write": Scope.OWN}


async def test_what_is_taken_back_is_never_written_and_whoever_waited_behind_it_goes_on(bringing: Bringing) -> None:
    program = bringing.by(await bringing.running.user(bringing.user.tenant_id, grants=PROGRAM))
    feed = await bringing.feed()
    wrong = await bringing.held(await program.bring(feed, 0, [POWER, STEEL], expected_rows=7))
    right = await program.bring(feed, 1, [POWER])
    await bringing.in_state(right, Delivery.STATE_WAITING)
    withdrawn = await program.withdraw(wrong)
    assert (withdrawn.state, withdrawn.held_reason) == (Delivery.STATE_WITHDRAWN, 0)
    assert withdrawn.HasField("finish_time")
    assert (await bringing.ended(right)).created_count == 1
    assert await bringing.industries() == {"华信电力": "power"}
    assert await bringing.imports_of(wrong) == []
    # An answer that was lost is asked for again, and a file that comes late brings nothing back.
    assert (await program.withdraw(wrong)).etag == withdrawn.etag
    again = await program.bring(feed, 0, [POWER, STEEL], expected_rows=7)
    assert (again.id, again.state) == (wrong.id, Delivery.STATE_WITHDRAWN)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await program.bring(feed, 0, [POWER])
    assert reason_of(caught.value) == "FEED_DELIVERY_CONFLICT"
    assert (await bringing.feed_is(feed, health=feeds_pb2.Feed.HEALTH_OK)).last_data_date == right.data_date
    names = [each.DESCRIPTOR.name for each in await told_of(bringing.running, bringing.user.tenant_id, wrong.id)]
    assert names == ["FeedDeliveryCreated", "FeedDeliveryHeld", "FeedDeliveryWithdrawn"]


async def test_nobody_but_its_sender_takes_a_delivery_back_or_learns_that_there_is_one(bringing: Bringing) -> None:
    feed = await bringing.feed()
    held = await bringing.held(await bringing.bring(feed, 0, [POWER], expected_rows=7))
    other = bringing.by(await bringing.running.user(bringing.user.tenant_id, grants=PROGRAM))
    narrow = bringing.by(await bringing.running.user(bringing.user.tenant_id, grants={"feeds.deliver": Scope.OWN}))
    absent = Delivery(id=str(new_id()))
    for somebody, code, reason in (
        (other, grpc.StatusCode.NOT_FOUND, "FEED_DELIVERY_NOT_FOUND"),
        (narrow, grpc.StatusCode.PERMISSION_DENIED, "PERMISSION_DENIED"),
    ):
        # Whatever is asked, one that is there is refused as one that is not.
        for asked, etag in itertools.product((held, absent), ("", "0", held.etag)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await somebody.withdraw(asked, etag)
            assert (caught.value.code(), reason_of(caught.value)) == (code, reason)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.withdraw(held, etag="0")
    assert reason_of(caught.value) == "ETAG_MISMATCH"
    assert (await bringing.get(held)).state == Delivery.STATE_HELD


async def test_what_was_released_or_begun_is_not_taken_back_and_the_refusal_says_what_to_do(bringing: Bringing) -> None:
    feed = await bringing.feed()
    first = await bringing.held(await bringing.bring(feed, 0, [POWER], expected_rows=7))
    second = await bringing.held(await bringing.bring(feed, 1, [POWER, STEEL], expected_rows=7))
    # Released, and waiting behind the first.
    released = await bringing.release(second)
    assert released.released
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.withdraw(second)
    assert (reason_of(caught.value), "rejected" in (caught.value.details() or "")) == ("ILLEGAL_STATE", True)
    await bringing.withdraw(first)
    done = await bringing.ended(second)
    assert done.created_count == 2
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.withdraw(done)
    assert "another delivery of its day" in (caught.value.details() or "")
    rejected = await bringing.held(await bringing.bring(feed, 2, [POWER], expected_rows=7))
    await bringing.reject(rejected)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.withdraw(rejected)
    assert reason_of(caught.value) == "ILLEGAL_STATE"


async def test_taken_back_and_carried_out_at_once_it_is_either_the_one_or_the_other(bringing: Bringing) -> None:
    feed = await bringing.feed()
    for number in range(4):
        brought = await bringing.bring(feed, number, [("K-1", "华信电力", f"day {number}")])
        answers = await asyncio.gather(*(bringing.withdraw(brought) for _ in range(3)), return_exceptions=True)
        ended = await bringing.ended(brought)
        refused = [each for each in answers if isinstance(each, grpc.aio.AioRpcError)]
        imported = await bringing.imports_of(brought)
        if ended.state == Delivery.STATE_WITHDRAWN:
            assert (refused, imported) == ([], [])
        else:
            assert (ended.state, len(refused), len(imported)) == (Delivery.STATE_SUCCEEDED, 3, 1)
            assert {reason_of(each) for each in refused} == {"ILLEGAL_STATE"}


async def test_a_day_is_missing_again_when_its_only_file_is_taken_back_after_its_window_has_passed(
    bringing: Bringing,
) -> None:
    bringing = await in_sandbox(bringing)
    running, tenant_id = bringing.running, bringing.user.tenant_id
    feed = await bringing.feed(schedule=feeds_pb2.Feed.Schedule(at="06:30", days_later=1))

    async def scheduled() -> feeds_pb2.Feed | None:
        now = await bringing.get_feed(feed)
        return now if now.HasField("next_due_time") else None

    first = await eventually(scheduled)
    assert first is not None
    due = first.next_due_time.ToDatetime()
    expected = ((due + timedelta(hours=8)).date() - timedelta(days=1)).isoformat()
    held = await bringing.held(await bringing.bring(feed, 0, [POWER], data_date=expected, expected_rows=7))
    await move_clock(running, tenant_id, due - system_now().replace(tzinfo=None) + timedelta(minutes=1), 2)
    await bringing.feed_is(feed, health=feeds_pb2.Feed.HEALTH_HELD)
    assert await told(running, bringing.user) == ["FEED_HELD"], "a file is here"
    await bringing.withdraw(held)
    late = await bringing.feed_is(feed, health=feeds_pb2.Feed.HEALTH_LATE)
    assert late.missing_date == expected
    assert await told(running, bringing.user) == ["FEED_HELD", "FEED_LATE"]
    # A file of a year ago, which came before the feed was made, was awaited by nobody.
    fresh = await bringing.feed(schedule=feeds_pb2.Feed.Schedule(at="06:30", days_later=1))
    old = await bringing.held(await bringing.bring(fresh, 0, [POWER], expected_rows=7))
    await bringing.withdraw(old)
    await look(running)
    now = await bringing.get_feed(fresh)
    assert (now.health, now.missing_date) == (feeds_pb2.Feed.HEALTH_OK, "")
    assert await told(running, bringing.user) == ["FEED_HELD", "FEED_LATE", "FEED_HELD"]
