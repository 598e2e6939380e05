"""Every write on products."""

from dataclasses import replace
from typing import Any

from crm.sales.v1 import events_pb2 as events
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import denied, invalid_field
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.money import check_currency

from crm_sales.products.model import PLACE, Product, ProductKind, ProductVersion
from crm_sales.products.resource import PRODUCTS

READS_COSTS = "costs.read"


def create_product(work: UnitOfWork, values: dict[str, Any]) -> Product:
    """Create a product, which is a draft."""
    product = Product(id=new_id(), create_time=work.now, update_time=work.now, **values)
    return PRODUCTS.create(work, product)


def update_product(work: UnitOfWork, before: Product, values: dict[str, Any]) -> Product:
    """Change some fields of a product."""
    return PRODUCTS.save(work, before, replace(before, **values), events.ProductUpdated)


async def add_version(work: UnitOfWork, before: Product, version: ProductVersion) -> Product:
    """Say what a product is from a day on.

    PermissionDenied for a cost by who does not see costs; the one of a version that they replace stays.
    """
    access = work.actor.access
    sees_costs = access.may(READS_COSTS) and access.scope(READS_COSTS) is Scope.ALL
    if version.unit_cost is not None:
        check_currency(version.unit_cost.currency_code, field=f"{PLACE}.unit_cost.currency_code")
        if not sees_costs:
            raise denied("sets_costs", f"costs are set by who sees them: {READS_COSTS} is needed with the scope ALL")
    if not sees_costs:
        version = replace(version, unit_cost=before.cost_from(version.valid_from_date))
    after = before.add_version(version, today=work.actor.access.day_of(work.now))
    await check_parts(work, version)
    return PRODUCTS.save(work, before, after, events.ProductVersionAdded)


async def check_parts(work: UnitOfWork, version: ProductVersion) -> None:
    """InvalidArgument for parts that do not exist, or are bundles."""
    found = await PRODUCTS.get_referred(work, version.part_ids)
    for number, id in enumerate(version.part_ids):
        field = f"{PLACE}.parts[{number}].product_id"
        if id not in found:
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
        if found[id].kind is ProductKind.BUNDLE:
            raise invalid_field(field, "bundle_in_bundle", f"{found[id].code} is a bundle itself")


def activate_product(work: UnitOfWork, before: Product) -> Product:
    """Put a product on sale."""
    return PRODUCTS.save(work, before, before.activate(), events.ProductActivated)


def retire_product(work: UnitOfWork, before: Product) -> Product:
    """Take a product off sale."""
    return PRODUCTS.save(work, before, before.retire(), events.ProductRetired)
