"""Feeds: when something is expected, by whose rights rows are written, and that each delivery is carried out once."""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import feeds_pb2, imports_pb2
from crm_customer.feeds.deliveries import commands
from crm_customer.feeds.deliveries.carrying_out import CarryingOut
from crm_customer.feeds.deliveries.content import count_rows
from crm_customer.feeds.deliveries.counting import MAX_DEATHS, Counting
from crm_customer.feeds.deliveries.model import Counted
from crm_customer.feeds.deliveries.queries import SMALL
from crm_customer.feeds.deliveries.tables import uncounted_deliveries
from crm_customer.imports.model import Upload
from crm_customer.imports.tables import UPLOAD_LASTS
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.directory.projection import project_user
from crm_kit.errors import Unauthenticated
from crm_kit.identity.access import Actor, Scope
from crm_kit.rpc.status import reason_of
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select

from tests.service.customer.feeds.bringing import Bringing, Delivery, in_sandbox, look, move_clock
from tests.service.eventually import eventually
from tests.service.notices import raised, told
from tests.service.running import Running, User, violations_of

if TYPE_CHECKING:
    from crm_kit.directory.access import Directory

POWER, STEEL = ("K-1", "华信电力", "power"), ("K-2", "北辰钢铁", "steel")
Feed = feeds_pb2.Feed


async def test_who_is_responsible_is_told_once_for_each_window_that_passes_without_a_delivery(
    bringing: Bringing,
) -> None:
    bringing = await in_sandbox(bringing)
    running, tenant_id = bringing.running, bringing.user.tenant_id
    schedule = Feed.Schedule(at="06:00", days_later=1, grace_minutes=30)
    feed = await bringing.feed(schedule=schedule)

    async def scheduled() -> Feed | None:
        now = await bringing.get_feed(feed)
        return now if now.HasField("next_due_time") else None

    first = await eventually(scheduled)
    assert first is not None
    due = first.next_due_time.ToDatetime()
    assert (due.hour, due.minute) == (22, 30), "06:30 in Shanghai"
    expected = (due + timedelta(hours=8)).date() - timedelta(days=1)
    await move_clock(running, tenant_id, due - system_now().replace(tzinfo=None) + timedelta(minutes=1), 2)
    late = await bringing.feed_is(feed, health=Feed.HEALTH_LATE)
    assert late.missing_date == expected.isoformat()
    (notice,) = await raised(running, tenant_id)
    assert (notice.collection, notice.record_id) == ("feeds", feed.id)
    assert notice.record_name == f"{feed.display_name} {expected.isoformat()}"
    listed = await bringing.feeds.ListFeeds(
        feeds_pb2.ListFeedsRequest(filter="health = LATE"), metadata=bringing.user.metadata
    )
    assert [each.id for each in listed.feeds] == [feed.id]
    # It comes after all; two more pass, and another look finds nothing new.
    brought = await bringing.bring(feed, 0, [POWER], data_date=expected.isoformat())
    await bringing.ended(brought)
    assert (await bringing.feed_is(feed, health=Feed.HEALTH_OK)).missing_date == ""
    after = due - system_now().replace(tzinfo=None) + timedelta(days=2, minutes=1)
    await move_clock(running, tenant_id, after, 3)
    await bringing.feed_is(feed, missing_date=(expected + timedelta(days=2)).isoformat())
    await look(running)
    assert await told(running, bringing.user) == ["FEED_LATE"] * 3


async def test_a_feed_whose_activator_has_left_stops_and_goes_on_by_the_rights_of_who_resumes_it(
    bringing: Bringing,
) -> None:
    running, admin = bringing.running, bringing.user
    grants = {
        "feeds.write": Scope.ALL,
        "feeds.read": Scope.ALL,
        "imports.write": Scope.ALL,
        "accounts.write": Scope.ALL,
    }
    leaver = await running.user(admin.tenant_id, grants=grants)
    feed = await bringing.by(leaver).feed(responsible_id=str(admin.id))
    assert feed.activator_id == str(leaver.id)
    await deactivate(running, leaver)
    waiting = await bringing.bring(feed, 0, [POWER])
    stopped = await bringing.feed_is(feed, state=Feed.STATE_PAUSED)
    assert stopped.pause_reason == Feed.PAUSE_REASON_LOST_RIGHTS
    assert (await bringing.get(waiting)).state == Delivery.STATE_WAITING
    assert await told(running, admin) == ["FEED_FAILED"]
    weak = bringing.by(await running.user(admin.tenant_id, grants={"feeds.write": Scope.ALL}))
    request = feeds_pb2.ResumeFeedRequest(id=feed.id)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await weak.feeds.ResumeFeed(request, metadata=weak.user.metadata)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    resumed = await bringing.feeds.ResumeFeed(request, metadata=admin.metadata)
    assert resumed.activator_id == str(admin.id)
    assert (await bringing.ended(waiting)).created_count == 1
    (job,) = await bringing.imports_of(waiting)
    assert job.owner_id == str(admin.id)


async def deactivate(running: Running, user: User) -> None:
    async with running.unit_of_work(user.tenant_id) as work:
        project_user(
            work,
            id=user.id,
            login=f"{user.id.hex}@example.test",
            display_name="somebody",
            active=False,
            team_id=user.team_id,
            role_ids=[],
            version=2,
        )
    running.service.directory.forget(user.tenant_id)


async def test_a_paused_feed_takes_deliveries_in_and_carries_them_out_in_their_order_once_it_goes_on(
    bringing: Bringing,
) -> None:
    feed = await bringing.feed(schedule=Feed.Schedule(at="06:00"))
    await bringing.feeds.PauseFeed(feeds_pb2.PauseFeedRequest(id=feed.id), metadata=bringing.user.metadata)
    newer = await bringing.bring(feed, 2, [("K-1", "华信电力", "newer")])
    older = await bringing.bring(feed, 1, [POWER, STEEL])
    for each in (newer, older):
        await bringing.in_state(each, Delivery.STATE_WAITING)
    assert not (await bringing.get_feed(feed)).HasField("next_due_time")
    await bringing.feeds.ResumeFeed(feeds_pb2.ResumeFeedRequest(id=feed.id), metadata=bringing.user.metadata)
    assert (await bringing.ended(newer)).updated_count == 1
    assert (await bringing.ended(older)).created_count == 2
    assert await bringing.industries() == {"华信电力": "newer", "北辰钢铁": "steel"}


async def test_whoever_changes_what_becomes_of_rows_has_them_written_by_their_own_rights(bringing: Bringing) -> None:
    feed = await bringing.feed()
    other = bringing.by(await bringing.running.user(bringing.user.tenant_id))
    renamed = await other.update(Feed(id=feed.id, display_name="CRM 同步"), "display_name")
    assert renamed.activator_id == str(bringing.user.id)
    changed = await other.update(Feed(id=feed.id, skip_invalid_cells=True), "skip_invalid_cells")
    assert changed.activator_id == str(other.user.id)


async def test_what_a_feed_cannot_be_is_refused_by_the_name_of_the_field(bringing: Bringing) -> None:
    feed = await bringing.feed()
    for asked, path, place in (
        (Feed(columns=[imports_pb2.ImportColumn(column="a", field="colour")]), "columns", "feed.columns[0].field"),
        (Feed(responsible_id=str(UUID(int=7))), "responsible_id", "feed.responsible_id"),
        (Feed(default_region="XX"), "default_region", "feed.default_region"),
    ):
        asked.id = feed.id
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bringing.update(asked, path)
        assert [each.field for each in violations_of(caught.value)] == [place]


async def test_accounts_are_given_to_whom_the_activator_may_give_them(bringing: Bringing) -> None:
    running, tenant_id = bringing.running, bringing.user.tenant_id
    grants = {"feeds.write": Scope.ALL, "imports.write": Scope.ALL, "accounts.write": Scope.OWN}
    own = bringing.by(await running.user(tenant_id, grants=grants))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await own.feed(account_owner_id=str(bringing.user.id))
    assert reason_of(caught.value) == "ASSIGNMENT_NOT_ALLOWED"
    assert (await own.feed()).activator_id == str(own.user.id)
    weak = bringing.by(await running.user(tenant_id, grants={"feeds.write": Scope.ALL, "accounts.write": Scope.ALL}))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await weak.feed()
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_several_processes_that_look_at_once_count_and_import_each_delivery_once(bringing: Bringing) -> None:
    feed = await bringing.feed()
    service = bringing.running.service
    tenants = Tenants(service.database, service.clock)
    looks = [CarryingOut(tenants, service.directory, lambda: None) for _ in range(3)]
    counts = [Counting(tenants, lambda: None, small=small) for small in (True, True, False)]
    brought = [await bringing.bring(feed, at, [("K-1", "华信电力", f"day {at}")]) for at in (2, 0, 1)]

    async def all_done() -> bool:
        await asyncio.gather(*(each.look() for each in counts), *(each.look() for each in looks))
        found = [await bringing.get(each) for each in brought]
        return all(each.state == Delivery.STATE_SUCCEEDED or each.held_reason for each in found)

    await eventually(all_done)
    assert [len(await bringing.imports_of(each)) for each in brought if (await bringing.get(each)).import_id]
    for each in brought:
        assert len(await bringing.imports_of(each)) <= 1
    assert (await bringing.industries())["华信电力"] == "day 2"


async def test_a_delivery_that_has_no_turn_before_its_file_is_gone_fails_and_others_go_on(bringing: Bringing) -> None:
    bringing = await in_sandbox(bringing)
    feed = await bringing.feed()
    held = await bringing.held(await bringing.bring(feed, 1, [POWER], expected_rows=7))
    await move_clock(bringing.running, bringing.user.tenant_id, UPLOAD_LASTS - timedelta(hours=1), 2)
    later = await bringing.bring(feed, 2, [STEEL])
    await bringing.in_state(later, Delivery.STATE_WAITING)
    await move_clock(bringing.running, bringing.user.tenant_id, UPLOAD_LASTS + timedelta(minutes=1), 3)
    failed = await bringing.ended(held)
    assert (failed.state, failed.failure_reason) == (Delivery.STATE_FAILED, "UPLOAD_NOT_FOUND")
    assert (await bringing.ended(later)).created_count == 1


async def test_a_feed_is_the_whole_tenants(bringing: Bringing) -> None:
    feed = await bringing.feed()
    own = bringing.by(await bringing.running.user(bringing.user.tenant_id, grants={"feeds.write": Scope.OWN}))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await own.feeds.PauseFeed(feeds_pb2.PauseFeedRequest(id=feed.id), metadata=own.user.metadata)
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    grants = {"feeds.deliver": Scope.TEAM, "imports.write": Scope.ALL}
    team = bringing.by(await bringing.running.user(bringing.user.tenant_id, grants=grants))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await team.bring(feed, 0, [POWER])
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.bring(Feed(id=str(UUID(int=7))), 0, [POWER])
    assert reason_of(caught.value) == "FEED_NOT_FOUND"


async def test_where_whoever_is_responsible_has_left_those_are_told_who_may_write_feeds(bringing: Bringing) -> None:
    running, keeper = bringing.running, bringing.user
    leaver = await running.user(keeper.tenant_id)
    feed = await bringing.feed(responsible_id=str(leaver.id))
    await deactivate(running, leaver)
    await bringing.held(await bringing.bring(feed, 0, [POWER], expected_rows=7))
    assert await told(running, keeper) == ["FEED_HELD"]


def only_by(monkeypatch: pytest.MonkeyPatch, room: str, own: object, tenant_id: UUID) -> None:
    """Until that is undone nobody but a test's own looks at the feeds of a tenant, and it at no others."""

    async def each(items: Iterable[Any], act: Any, **_: object) -> list[Any]:
        mine = [item for item in items if item["tenant_id"] == tenant_id] if act.__self__ is own else []
        return [await act(item) for item in mine]

    monkeypatch.setattr(f"crm_customer.feeds.deliveries.{room}.each", each)


async def test_a_process_that_ends_while_it_counts_leaves_the_delivery_to_the_next_one_at_once(
    bringing: Bringing, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, service = asyncio.Event(), bringing.running.service

    async def reading(*_: object) -> Counted:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    own = Counting(Tenants(service.database, service.clock), lambda: None, small=True)
    only_by(monkeypatch, "counting", own, bringing.user.tenant_id)
    monkeypatch.setattr("crm_customer.feeds.deliveries.counting.count_rows", reading)
    brought = await bringing.bring(await bringing.feed(), 0, [POWER])
    for _ in range(MAX_DEATHS + 1):
        looking, waiting = asyncio.create_task(own.look()), asyncio.create_task(begun.wait())
        await asyncio.wait({looking, waiting}, return_when=asyncio.FIRST_COMPLETED)
        assert begun.is_set(), "another process is believed to be at it"
        begun.clear()
        looking.cancel()
        await asyncio.wait({looking})
    monkeypatch.undo()
    assert (await bringing.ended(brought)).created_count == 1


async def test_who_has_lost_their_rights_does_not_stop_a_feed_that_somebody_else_activates_meanwhile(
    bringing: Bringing, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, tenant_id = bringing.running, bringing.user.tenant_id
    other = await running.user(tenant_id)

    class Leaving:
        """A directory that says that somebody has left while another one activates the feed."""

        async def user(self, _tenant_id: UUID, _user_id: UUID) -> Actor:
            now = Feed(id=feed.id, skip_invalid_cells=True)
            request = feeds_pb2.UpdateFeedRequest(feed=now, update_mask=FieldMask(paths=["skip_invalid_cells"]))
            await bringing.feeds.UpdateFeed(request, metadata=other.metadata)
            raise Unauthenticated("the user is not active here")

    tenants = Tenants(running.service.database, running.service.clock)
    own = CarryingOut(tenants, cast("Directory", Leaving()), lambda: None)
    only_by(monkeypatch, "carrying_out", own, tenant_id)
    feed = await bringing.feed()
    brought = await bringing.in_state(await bringing.bring(feed, 0, [POWER]), Delivery.STATE_WAITING)
    await own.look()
    monkeypatch.undo()
    assert (await bringing.ended(brought)).created_count == 1
    assert (await bringing.get_feed(feed)).activator_id == str(other.id)


async def test_a_delivery_is_held_by_what_its_feed_has_become_while_its_rows_were_counted(
    bringing: Bringing, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = await bringing.feed(mode=imports_pb2.Import.MODE_CREATE)

    async def reading(*_: object) -> Counted:
        now = Feed(id=feed.id, mode=imports_pb2.Import.MODE_UPSERT)
        request = feeds_pb2.UpdateFeedRequest(feed=now, update_mask=FieldMask(paths=["mode"]))
        await bringing.feeds.UpdateFeed(request, metadata=bringing.user.metadata)
        return Counted(rows=1, keyless_rows=1)

    monkeypatch.setattr("crm_customer.feeds.deliveries.counting.count_rows", reading)
    held = await bringing.held(await bringing.bring(feed, 0, [("", "无编号", "")]))
    assert held.held_reason == Delivery.HELD_REASON_KEYS_MISSING


async def test_a_small_file_does_not_wait_for_a_large_one_which_nobody_else_begins_meanwhile(
    bringing: Bringing, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, told, tenant_id = asyncio.Event(), asyncio.Event(), bringing.user.tenant_id
    service = bringing.running.service

    async def reading(reader: Any, upload: Upload, *rest: Any) -> Counted:
        if upload.received_bytes > SMALL:
            begun.set()
            await told.wait()
        return await count_rows(reader, upload, *rest)

    async def claimed_until() -> datetime:
        query = select(uncounted_deliveries.c.expire_time).where(uncounted_deliveries.c.tenant_id == tenant_id)
        (row,) = await service.database.all(tenant_id, compile_statement(query), {})
        until: datetime = row["expire_time"]
        return until

    monkeypatch.setattr("crm_customer.feeds.deliveries.counting.count_rows", reading)
    monkeypatch.setattr(commands, "RENEW_SECONDS", 0.02)
    many = [(f"K-{at}", "远航机械" * 18, "") for at in range(5000)]
    slow = await bringing.feed()
    await bringing.feeds.PauseFeed(feeds_pb2.PauseFeedRequest(id=slow.id), metadata=bringing.user.metadata)
    large = await bringing.bring(slow, 0, many)
    await begun.wait()
    first = await claimed_until()
    small = await bringing.ended(await bringing.bring(await bringing.feed(), 0, [POWER]))
    assert (small.created_count, (await bringing.get(large)).state) == (1, Delivery.STATE_RECEIVED)

    async def is_renewed() -> bool:
        return await claimed_until() > first

    await eventually(is_renewed)
    told.set()
    assert (await bringing.in_state(large, Delivery.STATE_WAITING)).rows_total == len(many)
