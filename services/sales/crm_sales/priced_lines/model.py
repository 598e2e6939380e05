"""What is asked of prices, and the lines that it makes: the prices that hold, options and parts of bundles, costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from uuid import UUID

from crm_kit.errors import FailedPrecondition, invalid_field
from crm_kit.money import MAX_AMOUNT, check_currency

from crm_sales.pricing.document import (
    Discount,
    DocumentLine,
    DocumentPart,
    TaxRounding,
)
from crm_sales.pricing.selection import Candidate, Choice, Sought, choose
from crm_sales.pricing.steps import EXACT, price_of
from crm_sales.products.model import BundlePart, Product, ProductKind, ProductState, ProductVersion

ZERO, WHOLE = Decimal(0), Decimal(100)
# Lines and parts of bundles together: as many as are reckoned within milliseconds.
MAX_PRODUCTS = 1000


@dataclass(frozen=True, slots=True)
class LineToPrice:
    """A product, how much of it, and what is taken off; a price by hand goes before that of the price books."""

    product_id: UUID
    quantity: Decimal
    unit_price: Decimal | None = None
    discount_percent: Decimal = ZERO
    discount_amount: Decimal = ZERO
    option_product_ids: tuple[UUID, ...] = ()

    def check(self, place: str) -> None:
        """InvalidArgument for a quantity of zero, and a discount of over 100 percent."""
        if not self.quantity:
            raise invalid_field(f"{place}.quantity", "not_zero", "must not be zero")
        check_percent(self.discount_percent, f"{place}.discount_percent")


@dataclass(frozen=True, slots=True)
class Question:
    """All lines of a document, and for whom, where and on which day they are priced."""

    lines: Sequence[LineToPrice]
    sought: Sought
    discount: Discount
    tax_rounding: TaxRounding
    prices_include_tax: bool

    def check(self) -> None:
        """InvalidArgument for a currency that there is not, and lines that are not right in themselves."""
        check_currency(self.sought.currency_code, field="currency_code")
        check_percent(self.discount.percent, "discount_percent")
        for number, line in enumerate(self.lines):
            line.check(f"lines[{number}]")


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is known of the products that are asked for, and of those in them, on the day."""

    products: Mapping[UUID, Product]
    candidates: Mapping[UUID, Sequence[Candidate]]
    tax_percents: Mapping[str, Decimal]
    day: date

    def version(self, id: UUID, place: str) -> tuple[Product, ProductVersion]:
        """The product as it is sold on the day. InvalidArgument, FailedPrecondition when it is not."""
        product = self.products.get(id)
        if product is None:
            raise invalid_field(f"{place}.product_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
        version = product.version_on(self.day)
        if product.state is not ProductState.ACTIVE or version is None:
            values = {"product": product.code, "day": self.day.isoformat()}
            detail = f"{place}: {product.code} is not on sale on {self.day}"
            raise FailedPrecondition(detail, reason="PRODUCT_NOT_ON_SALE", metadata=values)
        return product, version

    def tax_percent(self, product: Product, version: ProductVersion) -> Decimal:
        """How the product is taxed. FailedPrecondition when its class has no rate."""
        if version.tax_class not in self.tax_percents:
            values = {"tax_class": version.tax_class, "product": product.code, "day": self.day.isoformat()}
            detail = f"tax class {version.tax_class} of {product.code} has no rate on {self.day}"
            raise FailedPrecondition(detail, reason="NO_TAX_RATE", metadata=values)
        return self.tax_percents[version.tax_class]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bundle in a line, as it would be priced by itself."""

    product: Product
    version: ProductVersion
    quantity: Decimal
    list_amount: Decimal | None
    tax_percent: Decimal
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A line whose price is found and not reckoned with yet."""

    product: Product
    version: ProductVersion
    asked: LineToPrice
    choice: Choice
    amount: Decimal
    tax_percent: Decimal | None
    cost: Decimal | None
    parts: tuple[Part, ...] = ()
    bundle_line: int = 0

    @property
    def document_line(self) -> DocumentLine:
        """As documents are reckoned."""
        discount = Discount(self.asked.discount_percent, self.asked.discount_amount)
        weights = weights_of(self.parts)
        parts = (DocumentPart(weight, part.tax_percent) for weight, part in zip(weights, self.parts, strict=True))
        return DocumentLine(self.amount, discount, self.tax_percent or ZERO, tuple(parts))


def weights_of(parts: Sequence[Part]) -> list[Decimal]:
    """How parts share the price of their bundle: by list prices, or by quantities where these are all nothing."""
    listed = [part.list_amount or ZERO for part in parts]
    return listed if any(listed) else [abs(part.quantity) for part in parts]


def check_size(question: Question, catalogue: Catalogue) -> None:
    """InvalidArgument for more products than are reckoned in one go."""
    versions = [product.version_on(catalogue.day) for product in catalogue.products.values()]
    counts = {product: len(each.parts) for product, each in zip(catalogue.products, versions, strict=True) if each}
    if sum(max(counts.get(line.product_id, 1), 1) for line in question.lines) > MAX_PRODUCTS:
        detail = f"are more than {MAX_PRODUCTS} products with the parts of bundles"
        raise invalid_field("lines", "too_many_products", detail, metadata={"most": str(MAX_PRODUCTS)})


def drafts_of(number: int, line: LineToPrice, sought: Sought, catalogue: Catalogue) -> list[Draft]:
    """A line, and after a bundle the options that it is wanted with."""
    place = f"lines[{number}]"
    product, version = catalogue.version(line.product_id, place)
    always, options = version.chosen(line.option_product_ids, field=f"{place}.option_product_ids")
    parts = [part_of(part, line.quantity, sought, catalogue, place) for part in always]
    drafts = [draft_of(line, (product, version), sought, catalogue, parts, place)]
    for option in options:
        asked = LineToPrice(option.product_id, EXACT.multiply(option.quantity, line.quantity))
        drafts.append(draft_of(asked, catalogue.version(option.product_id, place), sought, catalogue, [], place))
    return drafts


def numbered(found: Sequence[Sequence[Draft]]) -> list[Draft]:
    """All lines one after the other; options say which of these is their bundle, counted from 1."""
    drafts: list[Draft] = []
    for line, *options in found:
        drafts.append(line)
        number = len(drafts)
        drafts += [replace(option, bundle_line=number) for option in options]
    return drafts


def draft_of(
    line: LineToPrice,
    sold: tuple[Product, ProductVersion],
    sought: Sought,
    catalogue: Catalogue,
    parts: Sequence[Part],
    place: str,
) -> Draft:
    """A line with the price that holds for it. FailedPrecondition NO_PRICE when none does."""
    product, version = sold
    choice = choose(catalogue.candidates.get(product.id, ()), sought, line.quantity)
    if line.unit_price is not None:
        amount = price_of(line.quantity, line.unit_price)
    elif choice.taken is not None:
        amount = choice.taken.price.amount_of(line.quantity)
    else:
        values = {"product": product.code, "currency": sought.currency_code, "day": sought.day.isoformat()}
        detail = f"{place}: no price book has a price of {product.code} in {sought.currency_code} on {sought.day}"
        raise FailedPrecondition(detail, reason="NO_PRICE", metadata=values)
    is_bundle = product.kind is ProductKind.BUNDLE
    tax_percent = None if is_bundle else catalogue.tax_percent(product, version)
    cost = total_cost([part.cost for part in parts]) if is_bundle else cost_of(version, line.quantity, sought)
    return Draft(product, version, line, choice, amount, tax_percent, cost, tuple(parts))


def part_of(part: BundlePart, bundles: Decimal, sought: Sought, catalogue: Catalogue, place: str) -> Part:
    """A part of so many bundles."""
    product, version = catalogue.version(part.product_id, place)
    quantity = EXACT.multiply(part.quantity, bundles)
    taken = choose(catalogue.candidates.get(product.id, ()), sought, quantity).taken
    list_amount = None if taken is None else taken.price.amount_of(abs(quantity))
    tax_percent, cost = catalogue.tax_percent(product, version), cost_of(version, quantity, sought)
    return Part(product, version, quantity, list_amount, tax_percent, cost)


def cost_of(version: ProductVersion, quantity: Decimal, sought: Sought) -> Decimal | None:
    """What so many cost us; None when that is not known in the currency."""
    cost = version.unit_cost
    if cost is None or cost.currency_code != sought.currency_code:
        return None
    return carried((cost * quantity).rounded().amount)


def total_cost(costs: Sequence[Decimal | None]) -> Decimal | None:
    """The sum; None when one is not known."""
    known = [each for each in costs if each is not None]
    return carried(sum(known, ZERO)) if len(known) == len(costs) else None


def carried(cost: Decimal) -> Decimal | None:
    """None for more than messages carry. An error would tell those who do not see costs at which quantity that is."""
    return cost if abs(cost) < MAX_AMOUNT else None


def check_percent(percent: Decimal, field: str) -> None:
    """InvalidArgument for more than 100."""
    if percent > WHOLE:
        raise invalid_field(field, "percent", f"{percent} is more than 100")
