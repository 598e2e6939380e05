"""PriceBookService: from message to command or query and back, nothing else."""

from collections.abc import Awaitable, Callable

from crm.sales.v1 import price_books_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_sales.price_books import commands
from crm_sales.price_books.resource import PRICE_BOOKS

PriceLines = Callable[[Reader, Accounts, pb.PriceLinesRequest], Awaitable[pb.PriceLinesResponse]]


class PriceBookServicer:
    contract = pb.DESCRIPTOR.services_by_name["PriceBookService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts, price_lines: PriceLines) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._price_lines = price_lines

    async def CreatePriceBook(self, request: pb.CreatePriceBookRequest, work: UnitOfWork) -> pb.PriceBook:
        values = PRICE_BOOKS.values_of(request.price_book)
        return PRICE_BOOKS.message(work, await commands.create_price_book(work, self._accounts, values))

    async def GetPriceBook(self, request: pb.GetPriceBookRequest, reader: Reader) -> pb.PriceBook:
        return await PRICE_BOOKS.read(reader, request.id)

    async def ListPriceBooks(self, request: pb.ListPriceBooksRequest, reader: Reader) -> pb.ListPriceBooksResponse:
        return await PRICE_BOOKS.list(reader, request, pb.ListPriceBooksResponse, self._tokens)

    async def UpdatePriceBook(self, request: pb.UpdatePriceBookRequest, work: UnitOfWork) -> pb.PriceBook:
        before, values = await PRICE_BOOKS.to_update(work, request)
        return PRICE_BOOKS.message(work, commands.update_price_book(work, before, values))

    async def ActivatePriceBook(self, request: pb.ActivatePriceBookRequest, work: UnitOfWork) -> pb.PriceBook:
        before = await PRICE_BOOKS.target(work, request)
        return PRICE_BOOKS.message(work, commands.activate_price_book(work, before))

    async def ArchivePriceBook(self, request: pb.ArchivePriceBookRequest, work: UnitOfWork) -> pb.PriceBook:
        before = await PRICE_BOOKS.target(work, request)
        return PRICE_BOOKS.message(work, commands.archive_price_book(work, before))

    async def PriceLines(self, request: pb.PriceLinesRequest, reader: Reader) -> pb.PriceLinesResponse:
        return await self._price_lines(reader, self._accounts, request)
