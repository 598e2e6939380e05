"""TaxRateService: from message to command or query and back, nothing else."""

from crm.sales.v1 import tax_rates_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_sales.tax_rates import commands
from crm_sales.tax_rates.resource import TAX_RATES


class TaxRateServicer:
    contract = pb.DESCRIPTOR.services_by_name["TaxRateService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateTaxRate(self, request: pb.CreateTaxRateRequest, work: UnitOfWork) -> pb.TaxRate:
        return TAX_RATES.message(work, commands.create_tax_rate(work, TAX_RATES.values_of(request.tax_rate)))

    async def GetTaxRate(self, request: pb.GetTaxRateRequest, reader: Reader) -> pb.TaxRate:
        return await TAX_RATES.read(reader, request.id)

    async def ListTaxRates(self, request: pb.ListTaxRatesRequest, reader: Reader) -> pb.ListTaxRatesResponse:
        return await TAX_RATES.list(reader, request, pb.ListTaxRatesResponse, self._tokens)

    async def UpdateTaxRate(self, request: pb.UpdateTaxRateRequest, work: UnitOfWork) -> pb.TaxRate:
        before, values = await TAX_RATES.to_update(work, request)
        return TAX_RATES.message(work, commands.update_tax_rate(work, before, values))
