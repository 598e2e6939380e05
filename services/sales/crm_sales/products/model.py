"""Products: what the tenant sells, what each is from which day on, and what is in a bundle."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from crm_kit.errors import FieldViolation, InvalidArgument, illegal_state, invalid_field, wrong_state
from crm_kit.money import Money

PLACE = "version"
MAX_VERSIONS = 100


class ProductKind(StrEnum):
    """What a product is."""

    GOODS = "GOODS"
    SERVICE = "SERVICE"
    BUNDLE = "BUNDLE"


class ProductState(StrEnum):
    """Whether a product can be sold."""

    DRAFT = "DRAFT"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"


@dataclass(frozen=True, slots=True)
class BundlePart:
    """So many of a product in one bundle; an option is only in it when asked for.

    It cannot be had without the products that are needed, nor with those that are excluded.
    """

    product_id: UUID
    quantity: Decimal
    is_option: bool = False
    needed_product_ids: tuple[UUID, ...] = ()
    excluded_product_ids: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class ProductVersion:
    """What a product is from a day on until the next version begins; `number` is 0 until the product counts it."""

    valid_from_date: date
    unit: str
    tax_class: str
    number: int = 0
    name: str | None = None
    unit_cost: Money | None = None
    parts: tuple[BundlePart, ...] = ()

    @property
    def part_ids(self) -> tuple[UUID, ...]:
        """The products that are in it, in their order."""
        return tuple(part.product_id for part in self.parts)

    def chosen(self, option_ids: Collection[UUID], *, field: str) -> tuple[list[BundlePart], list[BundlePart]]:
        """The parts that are in the bundle anyhow, and the options that are wanted.

        InvalidArgument names all at once that is no option, is missing what it needs, or excludes what is there.
        """
        always = [part for part in self.parts if not part.is_option]
        options = [part for part in self.parts if part.is_option and part.product_id in option_ids]
        violations = list(self._violations([*always, *options], option_ids, field))
        if violations:
            raise InvalidArgument(
                "; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations
            )
        return always, options

    def _violations(
        self, chosen: Collection[BundlePart], option_ids: Collection[UUID], field: str
    ) -> Iterator[FieldViolation]:
        known = {part.product_id for part in self.parts if part.is_option}
        present = {part.product_id for part in chosen}
        for each in option_ids:
            if each not in known:
                yield FieldViolation(field, "bundle_option", f"{each} is no option of the bundle")
        for part in chosen:
            for needed in part.needed_product_ids:
                if needed not in present:
                    yield FieldViolation(field, "bundle_needs", f"{part.product_id} cannot be had without {needed}")
            for excluded in part.excluded_product_ids:
                if excluded in present:
                    yield FieldViolation(field, "bundle_excludes", f"{part.product_id} cannot be had with {excluded}")


@dataclass(frozen=True, slots=True)
class Product:
    """A product with its versions, the earliest first. Methods return the changed one."""

    id: UUID
    display_name: str
    code: str
    kind: ProductKind
    create_time: datetime
    update_time: datetime
    version: int = 1
    description: str | None = None
    category: str | None = None
    state: ProductState = ProductState.DRAFT
    versions: tuple[ProductVersion, ...] = ()

    def version_on(self, day: date) -> ProductVersion | None:
        """What it is on a day; None before its first version."""
        begun = [each for each in self.versions if each.valid_from_date <= day]
        return begun[-1] if begun else None

    def cost_from(self, day: date) -> Money | None:
        """The cost of the version that begins on the very day, if there is one."""
        return next((each.unit_cost for each in self.versions if each.valid_from_date == day), None)

    def add_version(self, new: ProductVersion, *, today: date) -> "Product":
        """With a version that begins after all others, or in place of the last one on its day.

        InvalidArgument for a day that is too early, and for parts that do not fit.
        """
        self._check_parts(new)
        last = self.versions[-1] if self.versions else None
        is_draft = self.state is ProductState.DRAFT
        is_ahead = last is not None and (is_draft or last.valid_from_date > today)
        kept = self.versions
        if is_ahead and last is not None and new.valid_from_date == last.valid_from_date:
            kept = kept[:-1]
        elif last is not None and new.valid_from_date <= last.valid_from_date:
            raise _too_early(new, f"version {last.number} begins on {last.valid_from_date}: a new one begins later")
        elif not is_draft and new.valid_from_date < today:
            raise _too_early(new, f"what was sold before {today} stays as it was")
        if len(kept) >= MAX_VERSIONS:
            detail = f"has {MAX_VERSIONS} versions, and cannot have more"
            raise illegal_state("product_versions", f"the product {detail}", most=MAX_VERSIONS)
        return replace(self, versions=(*kept, replace(new, number=len(kept) + 1)))

    def activate(self) -> "Product":
        """On sale, from the first day of its first version on."""
        if self.state is ProductState.ACTIVE:
            legal = [ProductState.DRAFT, ProductState.RETIRED]
            raise wrong_state("product", self.state, "activated", legal=legal)
        if not self.versions:
            raise illegal_state("product_without_version", "a product has a version before it is put on sale")
        return replace(self, state=ProductState.ACTIVE)

    def retire(self) -> "Product":
        """Not on sale any more."""
        if self.state is not ProductState.ACTIVE:
            raise wrong_state("product", self.state, "retired", legal=[ProductState.ACTIVE])
        return replace(self, state=ProductState.RETIRED)

    def _check_parts(self, new: ProductVersion) -> None:
        is_bundle = self.kind is ProductKind.BUNDLE
        if is_bundle != any(not part.is_option for part in new.parts) or (new.parts and not is_bundle):
            detail = "a bundle has parts that are no options, and nothing else has parts"
            raise invalid_field(f"{PLACE}.parts", "bundle_parts", detail)
        if is_bundle and new.unit_cost is not None:
            raise invalid_field(f"{PLACE}.unit_cost", "bundle_cost", "a bundle costs what its parts cost")
        if new.unit_cost is not None and new.unit_cost.amount < 0:
            raise invalid_field(f"{PLACE}.unit_cost", "not_negative", f"{new.unit_cost} is below zero")
        seen: set[UUID] = set()
        for number, part in enumerate(new.parts):
            place = f"{PLACE}.parts[{number}]"
            if part.product_id in seen:
                raise invalid_field(f"{place}.product_id", "unique", f"{part.product_id} is there twice")
            if not part.quantity:
                raise invalid_field(f"{place}.quantity", "not_zero", "must not be zero")
            seen.add(part.product_id)
            others = set(new.part_ids) - {part.product_id}
            for name in ("needed_product_ids", "excluded_product_ids"):
                if beyond := set(getattr(part, name)) - others:
                    detail = f"{min(map(str, beyond))} is no other part of the bundle"
                    raise invalid_field(f"{place}.{name}", "bundle_other_part", detail)


def _too_early(version: ProductVersion, why: str) -> InvalidArgument:
    return invalid_field(
        f"{PLACE}.valid_from_date", "version_too_early", f"{version.valid_from_date} is too early: {why}"
    )
