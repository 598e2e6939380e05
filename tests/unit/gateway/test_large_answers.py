"""A page of many records with many lines does not keep others waiting while it is written."""

import asyncio
import threading
import time

from crm.sales.v1 import orders_pb2 as pb
from crm_gateway.large_answers import written
from crm_gateway.transcode.encoder import Encoders, json_bytes

from tests.steps import MAX_SECONDS, garbage_as_in_a_service
from tests.unit.gateway.served import served


def page_of(orders: int, lines: int) -> pb.ListOrdersResponse:
    order = served(pb.Order(lines=[pb.OrderLine(product="P-1", quantity="1")] * lines))
    return pb.ListOrdersResponse(orders=[order] * orders)


async def test_others_are_served_while_a_page_of_200_orders_with_200_lines_is_written() -> None:
    page = page_of(200, 200)
    encode = Encoders().of(page.DESCRIPTOR)
    encode(page_of(1, 1))
    waits: list[float] = []
    with garbage_as_in_a_service():
        writing = asyncio.create_task(written(page, lambda: json_bytes(encode(page))))
        while not writing.done():
            # What this process does meanwhile, in whichever thread: the loop and the one that writes take turns.
            began = time.process_time()
            await asyncio.sleep(0.001)
            waits.append(time.process_time() - began)
    assert len(await writing) > 4_000_000
    assert len(waits) > 5
    assert sorted(waits)[-2] < MAX_SECONDS


async def test_large_answers_are_written_one_after_the_other_and_small_ones_at_once() -> None:
    large, small = page_of(200, 200), page_of(1, 1)
    at_work = 0

    def write() -> tuple[str, int]:
        nonlocal at_work
        at_work += 1
        found = threading.current_thread().name, at_work
        at_work -= 1
        return found

    answers = await asyncio.gather(*(written(large, write) for _ in range(5)), written(small, write))
    assert {each for _, each in answers} == {1}
    assert {name.partition("_")[0] for name, _ in answers[:5]} == {"large-answers"}
    assert answers[5][0] == threading.current_thread().name
