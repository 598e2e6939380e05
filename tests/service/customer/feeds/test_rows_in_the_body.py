"""A small delivery whose rows come with the request: the same rules as for a file."""

import asyncio
from typing import Any
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import feed_deliveries_pb2 as pb
from crm.customer.v1 import feeds_pb2, imports_pb2
from crm_customer.feeds.deliveries.rows import MAX_CELLS
from crm_customer.imports.tables import uploads
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.rpc.status import reason_of
from sqlalchemy import bindparam, select

from tests.service.customer.feeds.bringing import Bringing, Delivery, day
from tests.service.running import violations_of
from tests.service.web import bearer, gateway

POWER: dict[str, Any] = {"客户编号": "K-1", "客户名称": "华信电力", "行业": "power"}
STEEL: dict[str, Any] = {"客户编号": "K-2", "客户名称": "北辰钢铁", "行业": "steel"}


async def test_rows_are_counted_held_and_imported_as_those_of_a_file_are(bringing: Bringing) -> None:
    program = bringing.by(await bringing.running.user(bringing.user.tenant_id, grants={"feeds.deliver": Scope.ALL}))
    feed = await bringing.feed()
    rows = [POWER | {"余额": 1000.5}, STEEL | {"余额": "-0.50", "员工人数": 12}]
    sums = [Delivery.ColumnSum(column="余额", sum="1000")]
    done = await bringing.ended(await program.deliver(feed, 0, rows, expected_rows=2, expected_sums=sums))
    assert (done.state, done.of_rows, done.rows_total) == (Delivery.STATE_SUCCEEDED, True, 2)
    assert (done.created_count, done.found_sums[0].sum) == (2, "1000.00")
    assert await bringing.industries() == {"华信电力": "power", "北辰钢铁": "steel"}
    held = await bringing.held(await program.deliver(feed, 1, [POWER], expected_rows=2))
    assert held.held_reason == Delivery.HELD_REASON_TOTALS_DIFFER
    await bringing.reject(held)
    keyless = await bringing.held(await program.deliver(feed, 2, [{"客户名称": "无编号"}]))
    assert keyless.held_reason == Delivery.HELD_REASON_KEYS_MISSING
    assert (await program.withdraw(keyless)).state == Delivery.STATE_WITHDRAWN
    # A newer day came by a file, and this is of a day before it.
    await bringing.ended(await bringing.bring(feed, 5, [("K-1", "华信电力", "newer")]))
    older = await bringing.held(await program.deliver(feed, 4, [POWER]))
    assert older.held_reason == Delivery.HELD_REASON_OUT_OF_ORDER


async def test_the_same_rows_again_are_one_delivery_whatever_the_order_of_their_columns(bringing: Bringing) -> None:
    feed = await bringing.feed(layout=imports_pb2.ImportLayout(encoding="gb18030", separator=";", header_row=3))
    rows = [POWER | {"员工人数": 1.0}, STEEL]
    answers = await asyncio.gather(*(bringing.deliver(feed, 0, rows) for _ in range(3)))
    assert len({each.id for each in answers}) == 1
    # The other system may tell decimals otherwise by then.
    await bringing.update(feeds_pb2.Feed(id=feed.id, layout=imports_pb2.ImportLayout(decimal_separator=",")), "layout")
    again = await bringing.deliver(feed, 0, [dict(reversed(row.items())) for row in rows])
    assert again.id == answers[0].id
    for fields, differs in (({"rows": [POWER]}, "rows"), ({"data_date": day(1)}, "data_date")):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bringing.deliver(feed, 0, **{"rows": rows} | fields)
        assert reason_of(caught.value) == "FEED_DELIVERY_CONFLICT"
        assert differs in (caught.value.details() or "")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bringing.bring(feed, 0, [("K-1", "华信电力", "power")], delivery_id="rows-0")
    assert reason_of(caught.value) == "FEED_DELIVERY_CONFLICT"
    done = await bringing.ended(again)
    assert (done.state, done.created_count) == (Delivery.STATE_SUCCEEDED, 2)


async def test_numbers_are_numbers_whatever_the_feed_says_of_decimal_commas(bringing: Bringing) -> None:
    feed = await bringing.feed(layout=imports_pb2.ImportLayout(decimal_separator=","))
    rows = [POWER | {"余额": 1234.125}, STEEL | {"余额": "1.000,5"}]
    sums = [Delivery.ColumnSum(column="余额", sum="2234.625")]
    delivered = await bringing.deliver(feed, 0, rows, expected_sums=sums)
    # What was sent is what it was sent as.
    await bringing.update(feeds_pb2.Feed(id=feed.id, layout=imports_pb2.ImportLayout(decimal_separator=".")), "layout")
    done = await bringing.ended(delivered)
    assert (done.state, done.found_sums[0].sum) == (Delivery.STATE_SUCCEEDED, "2234.625")


async def test_rows_that_no_file_could_have_are_refused_by_the_place_of_the_row(bringing: Bringing) -> None:
    feed = await bringing.feed()
    wrong: list[tuple[list[dict[str, Any]], str, str]] = [
        ([POWER, {"客户编号": ["K-2"]}], "rows[1]", "row_cell"),
        ([POWER, {"客户编号": None, "行业": " "}], "rows[1]", "row_empty"),
        ([{"客户编号": 2.0**53}], "rows[0]", "row_digits"),
        ([{"客户编号": "x" * 32_768}], "rows[0]", "row_cell_length"),
        ([{" ": "x"}], "rows", "row_column"),
        ([POWER, {"行业": "x", "行业 ": "y"}], "rows[1]", "row_twice"),
        ([{str(at): "x" for at in range(101)}], "rows", "row_columns"),
        ([{str(at): "x" for at in range(50)}] * 91, "rows", "row_cells"),
        ([], "rows", "repeated.min_items"),
        ([POWER] * 501, "rows", "repeated.max_items"),
    ]
    for rows, field, rule in wrong:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bringing.deliver(feed, 0, rows)
        assert [(each.field, each.reason) for each in violations_of(caught.value)] == [(field, rule)]
    told: list[tuple[dict[str, Any], str]] = [
        ({"data_date": "2026-13-27"}, "data_date"),
        ({"data_date": "9999-12-31"}, "data_date"),
        ({"expected_sums": [Delivery.ColumnSum(column="余额")]}, "expected_sums[0].sum"),
    ]
    for fields, field in told:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bringing.deliver(feed, 0, **{"rows": [POWER]} | fields)
        assert [each.field for each in violations_of(caught.value)] == [field]
        assert (caught.value.details() or "").startswith(field)
    listed = await bringing.deliveries.ListFeedDeliveries(
        pb.ListFeedDeliveriesRequest(), metadata=bringing.user.metadata
    )
    assert list(listed.feed_deliveries) == []


async def test_rows_take_room_as_a_file_until_their_delivery_has_ended_and_no_longer(bringing: Bringing) -> None:
    feed = await bringing.feed()

    async def has_file(delivery: Delivery) -> bool:
        query = compile_statement(
            select(uploads.c.id).where(uploads.c.tenant_id == bindparam("tenant_id"), uploads.c.id == bindparam("id"))
        )
        async with bringing.running.unit_of_work(bringing.user.tenant_id) as work:
            return await work.one(query, id=UUID(delivery.upload_id)) is not None

    done = await bringing.ended(await bringing.deliver(feed, 0, [POWER]))
    assert done.state == Delivery.STATE_SUCCEEDED
    withdrawn, rejected, held = [
        await bringing.held(await bringing.deliver(feed, number, [POWER], expected_rows=7)) for number in (1, 2, 3)
    ]
    assert [await has_file(each) for each in (withdrawn, rejected, held)] == [True] * 3
    await bringing.withdraw(withdrawn)
    await bringing.reject(rejected)
    assert [await has_file(each) for each in (done, withdrawn, rejected, held)] == [False, False, False, True]
    # The same rows sent again late are known all the same, and a file that somebody uploaded stays theirs.
    assert (await bringing.deliver(feed, 0, [POWER])).id == done.id
    brought = await bringing.held(await bringing.bring(feed, 4, [("K-1", "华信电力", "power")], expected_rows=7))
    assert await has_file(await bringing.withdraw(brought))


async def test_a_program_sends_rows_over_rest_and_takes_them_back(bringing: Bringing) -> None:
    feed = await bringing.feed()
    async with gateway(bringing.running) as web:
        headers = bearer(bringing.user)
        sent = {"delivery_id": "2026-07", "data_date": day(0), "expected_rows": 3, "rows": [POWER, STEEL]}
        answer = await web.post(f"/v1/feeds/{feed.id}:deliverRows", json=sent, headers=headers)
        assert answer.is_success, answer.text
        assert answer.json()["feed_name"] == feed.display_name
        path = f"/v1/feed-deliveries/{answer.json()['id']}:withdraw"
        taken = await web.post(path, json={}, headers=headers)
        assert (taken.status_code, taken.json()["state"]) == (200, "WITHDRAWN")
        wrong = sent | {"delivery_id": "2026-08", "rows": [POWER, {"行业": {"a": 1}}]}
        refused = await web.post(f"/v1/feeds/{feed.id}:deliverRows", json=wrong, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "rows[1]")


async def test_as_many_cells_as_there_can_be_come_with_a_request(bringing: Bringing) -> None:
    feed = await bringing.feed()
    columns = [f"备注 {at}" for at in range(MAX_CELLS // 500 - 2)]
    rows = [{"客户编号": f"K-{at}", "客户名称": f"客户 {at}", **dict.fromkeys(columns, "字" * 40)} for at in range(500)]
    done = await bringing.ended(await bringing.deliver(feed, 0, rows, expected_rows=500))
    assert (done.state, done.created_count) == (Delivery.STATE_SUCCEEDED, 500)
