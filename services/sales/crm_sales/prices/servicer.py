"""PriceService: from message to command or query and back, nothing else."""

from crm.sales.v1 import prices_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_sales.prices import commands
from crm_sales.prices.resource import PRICES


class PriceServicer:
    contract = pb.DESCRIPTOR.services_by_name["PriceService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreatePrice(self, request: pb.CreatePriceRequest, work: UnitOfWork) -> pb.Price:
        return PRICES.message(work, await commands.create_price(work, PRICES.values_of(request.price)))

    async def GetPrice(self, request: pb.GetPriceRequest, reader: Reader) -> pb.Price:
        return await PRICES.read(reader, request.id)

    async def ListPrices(self, request: pb.ListPricesRequest, reader: Reader) -> pb.ListPricesResponse:
        return await PRICES.list(reader, request, pb.ListPricesResponse, self._tokens)

    async def UpdatePrice(self, request: pb.UpdatePriceRequest, work: UnitOfWork) -> pb.Price:
        before, values = await PRICES.to_update(work, request)
        return PRICES.message(work, commands.update_price(work, before, values))

    async def ArchivePrice(self, request: pb.ArchivePriceRequest, work: UnitOfWork) -> pb.Price:
        before = await PRICES.target(work, request)
        return PRICES.message(work, commands.archive_price(work, before))

    async def RestorePrice(self, request: pb.RestorePriceRequest, work: UnitOfWork) -> pb.Price:
        before = await PRICES.target(work, request)
        return PRICES.message(work, commands.restore_price(work, before))
