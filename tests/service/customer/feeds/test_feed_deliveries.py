"""What becomes of what a feed brings."""

import io
from collections.abc import Sequence

import grpc
import openpyxl
import pytest
from crm.customer.v1 import accounts_pb2, feeds_pb2, imports_pb2
from crm_customer.feeds.deliveries.content import digest_of
from crm_customer.imports.model import Upload
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from crm_kit.rpc.status import reason_of

from tests.service.customer.feeds.bringing import HEADER, Bringing, Delivery, day
from tests.service.customer.imports.calls import as_csv
from tests.service.notices import told
from tests.service.running import violations_of

POWER, STEEL = ("K-1", "华信电力", "power"), ("K-2", "北辰钢铁", "steel")


async def test_a_delivery_is_imported_once_and_says_what_became_of_its_rows(bringing: Bringing) -> None:
    feed = await bringing.feed()
    first = await bringing.ended(await bringing.bring(feed, 0, [POWER, STEEL], expected_rows=2))
    assert (first.state, first.rows_total, first.created_count) == (Delivery.STATE_SUCCEEDED, 2, 2)
    rows = [("K-1", "华信电力", "energy"), STEEL, ("K-3", "远航机械", "x" * 101)]
    second = await bringing.ended(await bringing.bring(feed, 1, rows))
    figures = second.rows_total, second.created_count, second.updated_count, second.skipped_count, second.failed_count
    assert figures == (3, 0, 1, 1, 1)
    assert await bringing.industries() == {"华信电力": "energy", "北辰钢铁": "steel"}
    (job,) = await bringing.imports_of(second)
    assert (job.id, job.external_source) == (second.import_id, "erp")
    seen = await bringing.feed_is(feed, last_data_date=day(1))
    assert seen.health == feeds_pb2.Feed.HEALTH_OK
    assert seen.last_delivery_time == second.create_time
    assert await told(bringing.running, bringing.user) == [], "nobody is told of what goes well each night"


async def test_the_same_delivery_again_is_answered_with_what_is_kept_and_another_one_is_refused(
    bringing: Bringing,
) -> None:
    feed = await bringing.feed()
    first = await bringing.bring(feed, 0, [POWER])
    for again in (
        await bringing.bring(feed, 0, [POWER]),
        await bringing.send(feed, delivery_id="kna1-0", data_date=day(0), upload_id=first.upload_id),
    ):
        assert (again.id, again.upload_id) == (first.id, first.upload_id)
    for fields, differs in (
        ({"rows": [STEEL]}, "upload_id"),
        ({"data_date": day(1)}, "data_date"),
        ({"expected_rows": 1}, "exp"),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bringing.bring(feed, 0, **{"rows": [POWER]} | fields)
        assert caught.value.code() is grpc.StatusCode.ALREADY_EXISTS
        assert reason_of(caught.value) == "FEED_DELIVERY_CONFLICT"
        assert differs in (caught.value.details() or "")
    assert (await bringing.ended(first)).created_count == 1
    assert len(await bringing.imports_of(first)) == 1


async def test_what_differs_from_its_control_totals_is_held_and_nothing_of_it_is_written(bringing: Bringing) -> None:
    feed = await bringing.feed()
    header = ("客户编号", "客户名称", "余额")
    rows = as_csv([header, ("K-1", "华信电力", "1,000.50"), ("K-2", "北辰钢铁", "-0.50")])
    sums = [Delivery.ColumnSum(column="余额", sum="1000")]
    few = await bringing.held(await bringing.bring(feed, 0, rows, expected_rows=3, expected_sums=sums))
    assert (few.held_reason, few.found_sums[0].sum) == (Delivery.HELD_REASON_TOTALS_DIFFER, "1000.00")
    wrong = [Delivery.ColumnSum(column="余额", sum="1000.01"), Delivery.ColumnSum(column="应收", sum="0")]
    other = await bringing.held(await bringing.bring(feed, 1, rows, expected_rows=2, expected_sums=wrong))
    assert [each.sum for each in other.found_sums] == ["1000.00", ""]
    right = await bringing.bring(feed, 2, rows, expected_rows=2, expected_sums=sums)
    await bringing.in_state(right, Delivery.STATE_WAITING)
    await bringing.feed_is(feed, health=feeds_pb2.Feed.HEALTH_HELD)
    assert await bringing.industries() == {}
    assert (await told(bringing.running, bringing.user)).count("FEED_HELD") == 2
    assert (await bringing.reject(other)).state == Delivery.STATE_REJECTED
    await bringing.release(few)
    assert (await bringing.ended(few)).created_count == 2
    assert (await bringing.ended(right)).skipped_count == 2
    assert (await bringing.get(other)).import_id == ""
    await bringing.feed_is(feed, health=feeds_pb2.Feed.HEALTH_OK, last_data_date=day(2))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.release(few)
    assert reason_of(caught.value) == "ILLEGAL_STATE"


async def test_a_later_day_waits_for_an_earlier_one_that_is_held(bringing: Bringing) -> None:
    feed = await bringing.feed()
    earlier = await bringing.held(await bringing.bring(feed, 1, [POWER], expected_rows=7))
    later = await bringing.bring(feed, 2, [("K-1", "华信电力", "newer")])
    await bringing.in_state(later, Delivery.STATE_WAITING)
    await bringing.release(earlier)
    assert (await bringing.ended(later)).updated_count == 1
    assert (await bringing.get(earlier)).finish_time.ToDatetime() < (await bringing.get(later)).finish_time.ToDatetime()
    assert await bringing.industries() == {"华信电力": "newer"}


async def test_an_older_day_is_held_and_once_released_overwrites_nothing_that_is_newer(bringing: Bringing) -> None:
    feed = await bringing.feed()
    await bringing.ended(await bringing.bring(feed, 5, [POWER]))
    older = await bringing.held(await bringing.bring(feed, 4, [("K-1", "华信电力", "older"), STEEL]))
    assert older.held_reason == Delivery.HELD_REASON_OUT_OF_ORDER
    # Whoever brings the next day does not wait for it.
    assert (await bringing.ended(await bringing.bring(feed, 6, [POWER], delivery_id="next"))).skipped_count == 1
    assert (await bringing.release(older)).only_creates
    done = await bringing.ended(older)
    assert (done.created_count, done.updated_count, done.failed_count) == (1, 0, 1)
    assert await bringing.industries() == {"华信电力": "power", "北辰钢铁": "steel"}
    assert (await bringing.feed_is(feed, health=feeds_pb2.Feed.HEALTH_OK)).last_data_date == day(6)


async def test_an_older_day_of_a_feed_that_only_updates_cannot_be_released(bringing: Bringing) -> None:
    feed = await bringing.feed()
    await bringing.ended(await bringing.bring(feed, 5, [POWER]))
    await bringing.update(feeds_pb2.Feed(id=feed.id, mode=imports_pb2.Import.MODE_UPDATE), "mode")
    older = await bringing.held(await bringing.bring(feed, 4, [POWER]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.release(older)
    assert reason_of(caught.value) == "ILLEGAL_STATE"
    assert (await bringing.reject(older)).state == Delivery.STATE_REJECTED


async def test_who_is_responsible_is_told_of_short_and_of_repeated_deliveries_which_are_carried_out(
    bringing: Bringing,
) -> None:
    other = await bringing.running.user(bringing.user.tenant_id)
    feed = await bringing.feed(least_rows=1, least_percent=60, responsible_id=str(other.id))
    full = [POWER, STEEL]
    assert not (await bringing.ended(await bringing.bring(feed, 0, full))).short
    short = await bringing.ended(await bringing.bring(feed, 1, [POWER]))
    assert (short.short, short.repeated, short.skipped_count) == (True, False, 1)
    # Measured by the last one that was whole.
    assert (await bringing.ended(await bringing.bring(feed, 2, [STEEL]))).short
    repeated = await bringing.ended(await bringing.bring(feed, 3, full))
    assert (repeated.short, repeated.repeated) == (False, True)
    same_day = await bringing.ended(await bringing.bring(feed, 3, [*full, ("K-3", "远航机械", "")], delivery_id="b"))
    assert (same_day.repeated, same_day.created_count) == (True, 1)
    kinds = ["FEED_SHORT", "FEED_SHORT", "FEED_REPEATED", "FEED_REPEATED"]
    assert await told(bringing.running, other) == kinds
    assert await told(bringing.running, bringing.user) == []


async def test_rows_without_a_key_hold_a_delivery_and_what_cannot_be_read_fails_without_stopping_others(
    bringing: Bringing,
) -> None:
    feed = await bringing.feed()
    keyless = await bringing.held(await bringing.bring(feed, 0, [POWER, ("", "无编号", "")]))
    assert (keyless.held_reason, keyless.keyless_rows) == (Delivery.HELD_REASON_KEYS_MISSING, 1)
    await bringing.reject(keyless)
    broken = await bringing.ended(await bringing.bring(feed, 1, b"%PDF-1.7"))
    assert (broken.state, broken.failure_reason) == (Delivery.STATE_FAILED, "UPLOAD_UNREADABLE")
    await bringing.feed_is(feed, health=feeds_pb2.Feed.HEALTH_FAILED)
    nameless = await bringing.ended(await bringing.bring(feed, 2, as_csv([("客户编号", "颜色"), ("K-1", "red")])))
    assert (nameless.state, nameless.failure_reason) == (Delivery.STATE_FAILED, "IMPORT_MAPPING_INCOMPLETE")
    assert (await told(bringing.running, bringing.user)).count("FEED_FAILED") == 2
    assert (await bringing.ended(await bringing.bring(feed, 2, [POWER], delivery_id="mended"))).created_count == 1
    await bringing.feed_is(feed, health=feeds_pb2.Feed.HEALTH_OK)


async def test_files_of_others_and_days_to_come_are_refused(bringing: Bringing) -> None:
    feed = await bringing.feed()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.bring(feed, 365 + 3, [POWER])
    assert [each.field for each in violations_of(caught.value)] == ["feed_delivery.data_date"]
    grants = {"feeds.deliver": Scope.ALL, "imports.write": Scope.OWN}
    program = bringing.by(await bringing.running.user(bringing.user.tenant_id, grants=grants))
    theirs = await bringing.upload(as_csv([("客户名称",), ("x",)]))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await program.send(feed, delivery_id="a", data_date=day(0), upload_id=theirs)
    assert reason_of(caught.value) == "UPLOAD_NOT_FOUND"
    # A program that may do nothing but bring files has them written by the rights of who activated the feed.
    brought = await program.bring(feed, 0, [POWER])
    assert (await bringing.ended(brought)).created_count == 1
    assert brought.sender_id == str(program.user.id)


async def test_an_older_day_whose_rows_name_accounts_by_their_ids_is_not_released_to_make_them_anew(
    bringing: Bringing,
) -> None:
    feed = await bringing.feed()
    await bringing.ended(await bringing.bring(feed, 5, [POWER]))
    request = accounts_pb2.ListAccountsRequest(page_size=200)
    (account,) = (await bringing.accounts.ListAccounts(request, metadata=bringing.user.metadata)).accounts
    rows = as_csv([("id", "客户名称", "行业"), (account.id, "华信电力", "older")])
    older = await bringing.held(await bringing.bring(feed, 4, rows))
    assert older.held_reason == Delivery.HELD_REASON_OUT_OF_ORDER
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.release(older)
    assert reason_of(caught.value) == "ILLEGAL_STATE"
    assert (await bringing.reject(older)).state == Delivery.STATE_REJECTED
    assert len((await bringing.accounts.ListAccounts(request, metadata=bringing.user.metadata)).accounts) == 1


def as_xlsx(rows: Sequence[Sequence[str | float]]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(list(row))
    book.save(file)
    return file.getvalue()


async def test_numbers_of_a_workbook_add_up_whatever_the_feed_says_of_decimal_commas(bringing: Bringing) -> None:
    feed = await bringing.feed(layout=imports_pb2.ImportLayout(decimal_separator=","))
    header = ("客户编号", "客户名称", "余额")
    rows = as_xlsx([header, ("K-1", "华信电力", 1000.125), ("K-2", "北辰钢铁", -0.5)])
    sums = [Delivery.ColumnSum(column="余额", sum="999.625")]
    ended = await bringing.ended(await bringing.bring(feed, 0, rows, expected_sums=sums))
    assert (ended.state, ended.found_sums[0].sum) == (Delivery.STATE_SUCCEEDED, "999.625")


async def test_an_upload_is_kept_as_long_as_a_delivery_needs_it(bringing: Bringing) -> None:
    feed = await bringing.feed()
    held = await bringing.held(await bringing.bring(feed, 0, [POWER], expected_rows=7))
    delete = imports_pb2.DeleteUploadRequest(id=held.upload_id)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.imports.DeleteUpload(delete, metadata=bringing.user.metadata)
    assert reason_of(caught.value) == "ILLEGAL_STATE"
    assert held.id in (caught.value.details() or "")
    await bringing.reject(held)
    await bringing.imports.DeleteUpload(delete, metadata=bringing.user.metadata)


async def test_a_delivery_is_known_again_by_its_whole_file_though_some_of_it_came_while_it_was_taken_in(
    bringing: Bringing, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, content = await bringing.feed(), as_csv([HEADER, POWER, STEEL])
    begun = imports_pb2.CreateUploadRequest(file_name="kna1.csv")
    id = (await bringing.imports.CreateUpload(begun, metadata=bringing.user.metadata)).id
    parts = [imports_pb2.AppendUploadRequest(id=id, content=content[:60])]
    parts.append(imports_pb2.AppendUploadRequest(id=id, content=content[60:], offset=60))
    await bringing.imports.AppendUpload(parts.pop(0), metadata=bringing.user.metadata)

    async def digest(reader: Reader, upload: Upload) -> str:
        found = await digest_of(reader, upload)
        if parts:
            await bringing.imports.AppendUpload(parts.pop(), metadata=bringing.user.metadata)
        return found

    monkeypatch.setattr("crm_customer.feeds.deliveries.commands.digest_of", digest)
    taken = await bringing.send(feed, delivery_id="kna1-0", data_date=day(0), upload_id=id)
    again = await bringing.bring(feed, 0, content)
    assert again.id == taken.id
