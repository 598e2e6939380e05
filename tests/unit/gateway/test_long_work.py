"""Exports go on for long, and keep nobody of another tenant from the thread that writes what is large."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.channels import Reply
from crm_gateway.exchange import Exchange, open_exchange
from crm_gateway.exports.csv_file import CsvFile
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.long_work import MAX_PIECES_AT_ONCE, on_thread, turn_of
from crm_gateway.routes.export import Pages, content_of

PAGES, EXPORTS = 3, 20


async def nothing() -> dict[str, Any]:
    raise AssertionError("nothing is read of it")


def exchange(tenant_id: str) -> Exchange:
    opened = open_exchange({"method": "GET", "path": "/", "headers": []}, nothing)
    opened.tenant_id = tenant_id
    return opened


@dataclass
class Accounts:
    """A collection of a few pages, and how many of them are read from its service at once and were written."""

    columns: tuple[Any, ...] = ()
    written: int = 0
    most_at_once: int = 0
    at_once: int = field(default=0, repr=False)

    async def call(self, asked: pb.ListAccountsRequest, _metadata: Any, _seconds: float) -> Reply:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        number = int(asked.page_token or "1")
        return Reply(pb.ListAccountsResponse(next_page_token=str(number + 1) if number < PAGES else ""), 1)

    def write(self, _file: CsvFile, _page: Any) -> bytes:
        self.written += 1
        return b"rows"

    def pages(self, tenant_id: str) -> Pages:
        return Pages("customer", self.call, pb.ListAccountsRequest(), exchange(tenant_id), LargeAnswers())


async def file_of(accounts: Any, pages: Pages) -> list[bytes]:
    content: AsyncIterator[bytes] = content_of(accounts, CsvFile(), await pages.next(), pages)
    return [each async for each in content]


async def test_a_tenants_exports_keep_nobody_else_waiting_for_more_than_a_few_of_their_pages() -> None:
    accounts, is_free = Accounts(), threading.Event()
    busy = asyncio.create_task(on_thread(is_free.wait))
    exports = [asyncio.create_task(file_of(accounts, accounts.pages("huaxin"))) for _ in range(EXPORTS)]
    for _ in range(10 * EXPORTS):
        await asyncio.sleep(0)
    others = asyncio.create_task(on_thread(lambda: accounts.written))
    await asyncio.sleep(0)
    is_free.set()
    assert await others <= MAX_PIECES_AT_ONCE
    assert all(each.count(b"rows") == PAGES for each in await asyncio.gather(*exports))
    assert accounts.written == PAGES * EXPORTS
    assert accounts.most_at_once <= MAX_PIECES_AT_ONCE
    await busy


async def test_turns_are_of_a_tenant_and_forgotten_when_nobody_has_one() -> None:
    async with turn_of("huaxin"), turn_of("huaxin"):
        assert turn_of("huaxin").locked()
        assert not turn_of("jinlong").locked()
    assert not turn_of("huaxin").locked()
