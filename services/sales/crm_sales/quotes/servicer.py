"""QuoteService: from message to command or query and back, nothing else."""

from crm.sales.v1 import quotes_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.contacts import Contacts
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.ids import id_from_text
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build

from crm_sales.quotes import commands
from crm_sales.quotes.comparing import compared
from crm_sales.quotes.resource import QUOTES
from crm_sales.quotes.wire import last_day_from


class QuoteServicer:
    contract = pb.DESCRIPTOR.services_by_name["QuoteService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts, contacts: Contacts) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._contacts = contacts

    async def CreateQuote(self, request: pb.CreateQuoteRequest, work: UnitOfWork) -> pb.Quote:
        values = QUOTES.values_of(request.quote)
        return QUOTES.message(work, await commands.create_quote(work, self._accounts, self._contacts, values))

    async def GetQuote(self, request: pb.GetQuoteRequest, reader: Reader) -> pb.Quote:
        return await QUOTES.read(reader, request.id)

    async def ListQuotes(self, request: pb.ListQuotesRequest, reader: Reader) -> pb.ListQuotesResponse:
        return await QUOTES.list(reader, request, pb.ListQuotesResponse, self._tokens)

    async def UpdateQuote(self, request: pb.UpdateQuoteRequest, work: UnitOfWork) -> pb.Quote:
        before, values = await QUOTES.to_update(work, request)
        return QUOTES.message(work, await commands.update_quote(work, self._contacts, before, values))

    async def CompareQuotePrices(
        self, request: pb.CompareQuotePricesRequest, reader: Reader
    ) -> pb.CompareQuotePricesResponse:
        before = await QUOTES.get(reader, id_from_text(request.id))
        return build(pb.CompareQuotePricesResponse, **compared(before, await commands.repriced(reader, before)))

    async def RepriceQuote(self, request: pb.RepriceQuoteRequest, work: UnitOfWork) -> pb.Quote:
        before = await QUOTES.target(work, request)
        return QUOTES.message(work, await commands.reprice_quote(work, before))

    async def SubmitQuote(self, request: pb.SubmitQuoteRequest, work: UnitOfWork) -> pb.Quote:
        before = await QUOTES.target(work, request)
        return QUOTES.message(work, commands.submit_quote(work, before))

    async def SendQuote(self, request: pb.SendQuoteRequest, work: UnitOfWork) -> pb.Quote:
        before = await QUOTES.target(work, request)
        return QUOTES.message(work, await commands.send_quote(work, self._accounts, before))

    async def AcceptQuote(self, request: pb.AcceptQuoteRequest, work: UnitOfWork) -> pb.Quote:
        before = await QUOTES.target(work, request)
        return QUOTES.message(work, await commands.accept_quote(work, self._accounts, before))

    async def RejectQuote(self, request: pb.RejectQuoteRequest, work: UnitOfWork) -> pb.Quote:
        before = await QUOTES.target(work, request)
        return QUOTES.message(work, commands.reject_quote(work, before, request.reason))

    async def ReviseQuote(self, request: pb.ReviseQuoteRequest, work: UnitOfWork) -> pb.Quote:
        before = await QUOTES.target(work, request)
        last_day = last_day_from(request)
        return QUOTES.message(work, await commands.revise_quote(work, self._accounts, before, last_day))
