"""Products, tax rates and price books to work with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from crm.sales.v1 import price_books_pb2, prices_pb2, products_pb2, tax_rates_pb2
from crm.sales.v1.price_books_pb2_grpc import PriceBookServiceStub
from crm.sales.v1.prices_pb2_grpc import PriceServiceStub
from crm.sales.v1.products_pb2_grpc import ProductServiceStub
from crm.sales.v1.tax_rates_pb2_grpc import TaxRateServiceStub
from crm.scoring.v1 import events_pb2 as scoring_events
from crm.scoring.v1 import scores_pb2

from tests.service.running import Running, User
from tests.service.sales.selling import cny

if TYPE_CHECKING:
    from crm.sales.v1.price_books_pb2_grpc import PriceBookServiceAsyncStub
    from crm.sales.v1.prices_pb2_grpc import PriceServiceAsyncStub
    from crm.sales.v1.products_pb2_grpc import ProductServiceAsyncStub
    from crm.sales.v1.tax_rates_pb2_grpc import TaxRateServiceAsyncStub

Book = price_books_pb2.PriceBook
Line = price_books_pb2.LineToPrice
LONG_AGO = "2020-01-01"


@dataclass(frozen=True)
class Catalogue:
    """What a tenant sells, by the clients of one of its users."""

    sales: Running
    user: User

    @property
    def products(self) -> "ProductServiceAsyncStub":
        return ProductServiceStub(self.sales.channel)

    @property
    def tax_rates(self) -> "TaxRateServiceAsyncStub":
        return TaxRateServiceStub(self.sales.channel)

    @property
    def books(self) -> "PriceBookServiceAsyncStub":
        return PriceBookServiceStub(self.sales.channel)

    @property
    def prices(self) -> "PriceServiceAsyncStub":
        return PriceServiceStub(self.sales.channel)

    @property
    def who(self) -> Any:
        return self.user.metadata

    async def draft(
        self, code: str, kind: "products_pb2.Product.Kind.ValueType" = products_pb2.Product.KIND_GOODS
    ) -> products_pb2.Product:
        product = products_pb2.Product(code=code, display_name=f"product {code}", kind=kind)
        return await self.products.CreateProduct(products_pb2.CreateProductRequest(product=product), metadata=self.who)

    async def add_version(self, id: str, begin: str = LONG_AGO, **fields: Any) -> products_pb2.Product:
        given: dict[str, Any] = {"valid_from_date": begin, "unit": "台", "tax_class": "STANDARD"} | fields
        request = products_pb2.AddProductVersionRequest(id=id, version=products_pb2.ProductVersion(**given))
        return await self.products.AddProductVersion(request, metadata=self.who)

    async def activate(self, id: str) -> products_pb2.Product:
        return await self.products.ActivateProduct(products_pb2.ActivateProductRequest(id=id), metadata=self.who)

    async def product(self, code: str, *, cost: str = "", tax_class: str = "STANDARD") -> products_pb2.Product:
        """On sale, with one version."""
        made = await self.draft(code)
        await self.add_version(made.id, tax_class=tax_class, unit_cost=cny(cost) if cost else None)
        return await self.activate(made.id)

    async def bundle(self, code: str, *parts: products_pb2.BundlePart) -> products_pb2.Product:
        made = await self.draft(code, products_pb2.Product.KIND_BUNDLE)
        await self.add_version(made.id, parts=parts)
        return await self.activate(made.id)

    async def tax_rate(self, percent: str, tax_class: str = "STANDARD", begin: str = LONG_AGO) -> tax_rates_pb2.TaxRate:
        rate = tax_rates_pb2.TaxRate(
            display_name=f"{percent} %", tax_class=tax_class, percent=percent, valid_from_date=begin
        )
        return await self.tax_rates.CreateTaxRate(tax_rates_pb2.CreateTaxRateRequest(tax_rate=rate), metadata=self.who)

    async def draft_book(self, name: str = "list", **fields: Any) -> Book:
        given: dict[str, Any] = {"currency_code": "CNY", "audience": Book.AUDIENCE_EVERYONE}
        given |= {"valid_from_date": LONG_AGO} | fields
        request = price_books_pb2.CreatePriceBookRequest(price_book=Book(display_name=name, **given))
        return await self.books.CreatePriceBook(request, metadata=self.who)

    async def activate_book(self, id: str) -> Book:
        return await self.books.ActivatePriceBook(price_books_pb2.ActivatePriceBookRequest(id=id), metadata=self.who)

    async def book(self, name: str = "list", **fields: Any) -> Book:
        return await self.activate_book((await self.draft_book(name, **fields)).id)

    async def price(
        self, book: Book, product: products_pb2.Product, *steps: tuple[str, str], **fields: Any
    ) -> prices_pb2.Price:
        """Steps are from which quantity on one costs how much."""
        found = [prices_pb2.PriceStep(from_quantity=begin, unit_price=price) for begin, price in steps]
        price = prices_pb2.Price(price_book_id=book.id, product_id=product.id, steps=found, **fields)
        return await self.prices.CreatePrice(prices_pb2.CreatePriceRequest(price=price), metadata=self.who)

    async def ask(
        self, lines: Sequence[Line], *, by: User | None = None, **fields: Any
    ) -> price_books_pb2.PriceLinesResponse:
        request = price_books_pb2.PriceLinesRequest(lines=lines, **({"currency_code": "CNY"} | fields))
        return await self.books.PriceLines(request, metadata=(by or self.user).metadata)

    async def has_tier(self, account_id: str, band: "scores_pb2.ValueTierScore.Tier.ValueType") -> None:
        """The scoring service has found the account to be of a tier."""
        scores = scores_pb2.AccountScores(account_id=account_id, value_tier=scores_pb2.ValueTierScore(band=band))
        changed = scoring_events.ValueTierChanged(account_scores=scores)
        await self.sales.hear(changed, tenant_id=self.user.tenant_id, aggregate_id=UUID(account_id))
