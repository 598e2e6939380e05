"""Products and tax rates through their contract."""

from datetime import timedelta

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2, tax_rates_pb2
from crm.sales.v1 import products_pb2 as pb
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.running import Running, User, refused
from tests.service.sales.pricing import LONG_AGO, Catalogue
from tests.service.sales.selling import cny, emitted, names_of

Product = pb.Product
FAR = "2900-01-01"


@pytest.fixture
def catalogue(sales: Running, user: User) -> Catalogue:
    return Catalogue(sales, user)


async def test_a_product_is_drafted_gets_a_version_and_goes_on_and_off_sale(
    catalogue: Catalogue, sales: Running, user: User
) -> None:
    made = await catalogue.draft("TR-400")
    assert (made.state, list(made.versions)) == (Product.STATE_DRAFT, [])
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await catalogue.activate(made.id)
    added = await catalogue.add_version(made.id, name="Tariff 2020", unit_cost=cny("12.50"))
    (version,) = added.versions
    assert (version.number, version.unit, version.unit_cost) == (1, "台", cny("12.50"))
    active = await catalogue.activate(made.id)
    assert active.state == Product.STATE_ACTIVE
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await catalogue.activate(made.id)
    request = pb.RetireProductRequest(id=made.id)
    retired = await catalogue.products.RetireProduct(request, metadata=user.metadata)
    assert retired.state == Product.STATE_RETIRED
    listed = await catalogue.products.ListProducts(pb.ListProductsRequest(), metadata=user.metadata)
    assert list(listed.products) == []
    events = await emitted(sales, user.tenant_id, made.id)
    assert names_of(events) == ["ProductCreated", "ProductVersionAdded", "ProductActivated", "ProductRetired"]
    assert isinstance(events[1], events_pb2.ProductVersionAdded)


async def test_a_code_is_one_products_and_stays(catalogue: Catalogue, user: User) -> None:
    made = await catalogue.draft("TR-400")
    with refused("ALREADY_EXISTS", "PRODUCT_CODE_TAKEN"):
        await catalogue.draft("TR-400")
    changed = Product(id=made.id, code="TR-401")
    request = pb.UpdateProductRequest(product=changed, update_mask=FieldMask(paths=["code"]))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await catalogue.products.UpdateProduct(request, metadata=user.metadata)
    changed = Product(id=made.id, category="transformers", etag=made.etag)
    request = pb.UpdateProductRequest(product=changed, update_mask=FieldMask(paths=["category"]))
    assert (await catalogue.products.UpdateProduct(request, metadata=user.metadata)).category == "transformers"
    with refused("ABORTED", "ETAG_MISMATCH"):
        await catalogue.products.UpdateProduct(request, metadata=user.metadata)


async def test_versions_that_have_begun_are_never_changed(catalogue: Catalogue) -> None:
    product = await catalogue.product("TR-400")
    yesterday = (system_now() - timedelta(days=2)).date().isoformat()
    for begin in (LONG_AGO, "2019-01-01", yesterday):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await catalogue.add_version(product.id, begin)
        assert refusal.fields == ["version.valid_from_date"]
    await catalogue.add_version(product.id, FAR, unit="组")
    corrected = await catalogue.add_version(product.id, FAR, unit="套")
    assert [(each.number, each.valid_from_date, each.unit) for each in corrected.versions] == [
        (1, LONG_AGO, "台"),
        (2, FAR, "套"),
    ]


async def test_parts_are_of_bundles_and_are_products_that_are_none(catalogue: Catalogue) -> None:
    meter, relay = await catalogue.product("M-1"), await catalogue.product("R-1")
    part = pb.BundlePart(product_id=meter.id, quantity="1")
    bundle = await catalogue.draft("B-1", Product.KIND_BUNDLE)
    inner = await catalogue.bundle("B-2", part)
    unknown = pb.BundlePart(product_id=str(new_id()), quantity="1")
    stranger = pb.BundlePart(product_id=meter.id, quantity="1", needed_product_ids=[relay.id])
    wrong = {
        "version.parts": [pb.BundlePart(product_id=meter.id, quantity="1", is_option=True)],
        "version.parts[1].product_id": [part, part],
        "version.parts[0].product_id": [unknown],
        "version.parts[0].quantity": [pb.BundlePart(product_id=meter.id, quantity="0.0")],
        "version.parts[0].needed_product_ids": [stranger],
    }
    for field, parts in wrong.items():
        is_unknown = parts == [unknown]
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND" if is_unknown else "INVALID_ARGUMENT") as refusal:
            await catalogue.add_version(bundle.id, parts=parts)
        assert refusal.fields == [field]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await catalogue.add_version(bundle.id, parts=[pb.BundlePart(product_id=inner.id, quantity="1")])
    assert "is a bundle itself" in refusal.detail
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await catalogue.add_version((await catalogue.draft("G-1")).id, parts=[part])


async def test_costs_are_seen_and_set_by_who_may(catalogue: Catalogue, sales: Running, user: User) -> None:
    made = await catalogue.product("TR-400", cost="12.50")
    grants = {"products.read": Scope.ALL, "products.write": Scope.ALL}
    records = ResourceServiceStub(sales.channel)
    changes = resources_pb2.ListRecordChangesRequest(collection="products", id=made.id)
    for scope, sees in ((None, False), (Scope.TEAM, False), (Scope.ALL, True)):
        more = {} if scope is None else {"costs.read": scope}
        rep = await sales.user(user.tenant_id, grants=grants | more)
        read = await catalogue.products.GetProduct(pb.GetProductRequest(id=made.id), metadata=rep.metadata)
        page = await catalogue.products.ListProducts(pb.ListProductsRequest(), metadata=rep.metadata)
        history = await records.ListRecordChanges(changes, metadata=rep.metadata)
        listed = next(each for each in page.products if each.id == made.id)
        assert read.versions[0].HasField("unit_cost") is listed.versions[0].HasField("unit_cost") is sees
        assert ("12.5" in str(history)) is sees
        own = Catalogue(sales, rep)
        draft = await own.draft(f"D-{scope}")
        if sees:
            await own.add_version(draft.id, unit_cost=cny("1"))
        else:
            with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
                await own.add_version(draft.id, unit_cost=cny("1"))
            assert len((await own.add_version(draft.id)).versions) == 1


async def test_who_does_not_see_costs_replaces_a_version_and_its_cost_stays(
    catalogue: Catalogue, sales: Running, user: User
) -> None:
    made = await catalogue.product("TR-400")
    await catalogue.add_version(made.id, FAR, unit_cost=cny("12.50"))
    rep = await sales.user(user.tenant_id, grants={"products.read": Scope.ALL, "products.write": Scope.ALL})
    shown = await Catalogue(sales, rep).add_version(made.id, FAR, unit="套")
    assert (shown.versions[1].unit, shown.versions[1].HasField("unit_cost")) == ("套", False)
    read = await catalogue.products.GetProduct(pb.GetProductRequest(id=made.id), metadata=user.metadata)
    assert read.versions[1].unit_cost == cny("12.50")
    await catalogue.add_version(made.id, FAR)
    read = await catalogue.products.GetProduct(pb.GetProductRequest(id=made.id), metadata=user.metadata)
    assert not read.versions[1].HasField("unit_cost")


# --- tax rates


async def test_a_tax_class_has_one_rate_from_a_day_on_which_stays_once_it_has_begun(
    catalogue: Catalogue, user: User
) -> None:
    begun, ahead = await catalogue.tax_rate("13"), await catalogue.tax_rate("12", begin=FAR)
    with refused("ALREADY_EXISTS", "TAX_RATE_EXISTS"):
        await catalogue.tax_rate("9")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await catalogue.tax_rate("100.5", "OTHER")
    assert refusal.fields == ["tax_rate.percent"]

    def change(rate: tax_rates_pb2.TaxRate) -> tax_rates_pb2.UpdateTaxRateRequest:
        changed = tax_rates_pb2.TaxRate(id=rate.id, percent="11")
        return tax_rates_pb2.UpdateTaxRateRequest(tax_rate=changed, update_mask=FieldMask(paths=["percent"]))

    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await catalogue.tax_rates.UpdateTaxRate(change(begun), metadata=user.metadata)
    assert (await catalogue.tax_rates.UpdateTaxRate(change(ahead), metadata=user.metadata)).percent == "11"
    page = await catalogue.tax_rates.ListTaxRates(tax_rates_pb2.ListTaxRatesRequest(), metadata=user.metadata)
    assert [each.id for each in page.tax_rates] == [ahead.id, begun.id]
