"""Quotes to work with, as one of a tenant's users."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crm.sales.v1 import orders_pb2, products_pb2
from crm.sales.v1 import quotes_pb2 as pb
from crm.sales.v1.orders_pb2_grpc import OrderServiceStub
from crm.sales.v1.quotes_pb2_grpc import QuoteServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.running import Running, User, refused
from tests.service.sales.pricing import Catalogue, Line

if TYPE_CHECKING:
    from crm.sales.v1.orders_pb2_grpc import OrderServiceAsyncStub
    from crm.sales.v1.quotes_pb2_grpc import QuoteServiceAsyncStub

FAR = "2900-12-31"


@dataclass(frozen=True)
class Quoting:
    """Quotes for an account, by the clients of a user."""

    sales: Running
    user: User
    account_id: str

    @property
    def rpcs(self) -> "QuoteServiceAsyncStub":
        return QuoteServiceStub(self.sales.channel)

    @property
    def orders(self) -> "OrderServiceAsyncStub":
        return OrderServiceStub(self.sales.channel)

    async def draft(self, lines: Sequence[Line], *, by: User | None = None, key: str = "", **fields: Any) -> pb.Quote:
        given: dict[str, Any] = {"display_name": "配电房改造", "account_id": self.account_id, "currency_code": "CNY"}
        given |= {"valid_until_date": FAR, "lines": lines}
        who = by or self.user
        request = pb.CreateQuoteRequest(quote=pb.Quote(**given | fields))
        return await self.rpcs.CreateQuote(request, metadata=who.with_key(key) if key else who.metadata)

    async def get(self, id: str, *, by: User | None = None) -> pb.Quote:
        return await self.rpcs.GetQuote(pb.GetQuoteRequest(id=id), metadata=(by or self.user).metadata)

    async def update(self, id: str, *, by: User | None = None, etag: str = "", **fields: Any) -> pb.Quote:
        quote = pb.Quote(id=id, etag=etag, **fields)
        request = pb.UpdateQuoteRequest(quote=quote, update_mask=FieldMask(paths=list(fields)))
        return await self.rpcs.UpdateQuote(request, metadata=(by or self.user).metadata)

    async def do(self, verb: str, quote: pb.Quote, *, by: User | None = None, key: str = "", **fields: Any) -> pb.Quote:
        """Call a verb of a quote, whatever version of its record is there."""
        who = by or self.user
        request = getattr(pb, f"{verb}QuoteRequest")(id=quote.id, **fields)
        rpc: Any = getattr(self.rpcs, f"{verb}Quote")
        done: pb.Quote = await rpc(request, metadata=who.with_key(key) if key else who.metadata)
        return done

    async def sent(self, lines: Sequence[Line], **fields: Any) -> pb.Quote:
        return await self.do("Send", await self.do("Submit", await self.draft(lines, **fields)))

    async def compare(self, quote: pb.Quote) -> pb.CompareQuotePricesResponse:
        request = pb.CompareQuotePricesRequest(id=quote.id)
        return await self.rpcs.CompareQuotePrices(request, metadata=self.user.metadata)

    async def listed(self, filter: str = "", *, by: User | None = None) -> list[str]:
        request = pb.ListQuotesRequest(filter=filter)
        found = await self.rpcs.ListQuotes(request, metadata=(by or self.user).metadata)
        return [each.id for each in found.quotes]

    async def order(self, id: str) -> orders_pb2.Order:
        return await self.orders.GetOrder(orders_pb2.GetOrderRequest(id=id), metadata=self.user.metadata)


@dataclass(frozen=True)
class Goods:
    """What a tenant of the tests sells: a product that costs 60 and is listed at 100."""

    catalogue: Catalogue
    product: products_pb2.Product
    book_id: str

    def line(self, quantity: str = "1", **fields: Any) -> Line:
        return Line(product_id=self.product.id, quantity=quantity, **fields)


async def goods_of(catalogue: Catalogue) -> Goods:
    product = await catalogue.product("TR-400", cost="60.00")
    await catalogue.tax_rate("13")
    book = await catalogue.book()
    await catalogue.price(book, product, ("0", "100.00"))
    return Goods(catalogue, product, book.id)


@contextlib.contextmanager
def invalid(field: str) -> Iterator[None]:
    """The block's call is refused for what this field has."""
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as found:
        yield
    assert found.fields == [field]
