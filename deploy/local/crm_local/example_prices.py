"""What the demo tenant sells: products, a bundle, tax rates, and price books for everyone, key accounts, a channel."""

from typing import Any, Protocol

Json = dict[str, Any]
BEGIN = "2026-01-01"
# Tax class -> what its rate is called, in percent.
TAX_RATES = {"STANDARD": ("增值税13%", "13"), "REDUCED": ("增值税9%", "9"), "SERVICES": ("增值税6%", "6")}
# Code, name, kind, category, unit, tax class, unit cost in CNY.
PRODUCTS = (
    ("TR-400", "油浸式配电变压器 400 kVA", "GOODS", "变压器", "台", "STANDARD", "38500.00"),
    ("TR-2500", "油浸式配电变压器 2500 kVA", "GOODS", "变压器", "台", "STANDARD", "236000.00"),
    ("SM-3P", "三相智能电表", "GOODS", "计量", "只", "STANDARD", "212.50"),
    ("GW-4G", "4G 数据网关", "GOODS", "计量", "台", "STANDARD", "430.00"),
    ("INST-D", "安装调试服务", "SERVICE", "服务", "人天", "REDUCED", "900.00"),
    ("MAINT-Y", "年度巡检服务", "SERVICE", "服务", "年", "SERVICES", "3200.00"),
    ("DATA-P", "云监测数据点", "SERVICE", "云服务", "点", "SERVICES", "0.004"),
)
BUNDLE = ("KIT-R400", "配电房改造套餐 400 kVA", "改造套餐", "套")
# Of the bundle: code, quantity, whether it is an option.
PARTS = (("TR-400", "1", False), ("SM-3P", "6", False), ("INST-D", "4", False), ("MAINT-Y", "1", True))
# A book's name and for whom it is, and of each product its steps, with mode and `price_per` where these are not usual.
BOOKS: tuple[tuple[str, Json, dict[str, tuple[tuple[tuple[str, str], ...], Json]]], ...] = (
    (
        "标准价目表",
        {"currency_code": "CNY", "audience": "EVERYONE"},
        {
            "TR-400": ((("0", "52800.00"),), {}),
            "TR-2500": ((("0", "320000.00"),), {}),
            "SM-3P": ((("1", "368.00"), ("50", "339.00"), ("200", "309.00")), {}),
            "GW-4G": ((("1", "690.00"), ("20", "645.00")), {}),
            "INST-D": ((("0", "1600.00"),), {}),
            "MAINT-Y": ((("0", "5800.00"),), {}),
            "DATA-P": ((("0", "12.5"), ("10000", "9.8"), ("100000", "7.25")), {"mode": "GRADUATED", "price_per": 1000}),
            "KIT-R400": ((("0", "58900.00"),), {}),
        },
    ),
    (
        "关键客户价目表",
        {"currency_code": "CNY", "audience": "VALUE_TIER", "value_tier": "KEY"},
        {"TR-400": ((("0", "49600.00"),), {}), "SM-3P": ((("1", "329.00"), ("200", "298.00")), {})},
    ),
    (
        "网上商城价目表",
        {"currency_code": "CNY", "audience": "EVERYONE", "channel": "ONLINE"},
        {"SM-3P": ((("1", "359.00"),), {}), "GW-4G": ((("1", "669.00"),), {})},
    ),
    (
        "Export price list",
        {"currency_code": "EUR", "audience": "EVERYONE"},
        {"TR-400": ((("0", "7150.00"),), {}), "SM-3P": ((("1", "51.50"), ("200", "44.90")), {})},
    ),
)


class Caller(Protocol):
    """Somebody of the demo tenant at the API; a key makes a repetition harmless."""

    def get(self, path: str) -> Json: ...
    def post(self, path: str, body: Json, key: str = "") -> Json: ...


def add_catalogue(admin: Caller) -> bool:
    """Products with their prices, where there is no price book yet."""
    if admin.get("/v1/price-books?page_size=1")["price_books"]:
        return False
    for tax_class, (name, percent) in TAX_RATES.items():
        rate = {"display_name": name, "tax_class": tax_class, "percent": percent, "valid_from_date": BEGIN}
        admin.post("/v1/tax-rates", rate, f"tax-{tax_class}")
    ids = {code: add_product(admin, code, *values) for code, *values in PRODUCTS}
    ids[BUNDLE[0]] = add_bundle(admin, ids)
    for number, (name, audience, prices) in enumerate(BOOKS):
        body = {"display_name": name, "valid_from_date": BEGIN} | audience
        book = admin.post("/v1/price-books", body, f"book-{number}")
        for code, (steps, more) in prices.items():
            found = [{"from_quantity": begin, "unit_price": price} for begin, price in steps]
            price = {"price_book_id": book["id"], "product_id": ids[code], "steps": found} | more
            admin.post("/v1/prices", price, f"price-{number}-{code}")
        admin.post(f"/v1/price-books/{book['id']}:activate", {}, f"book-{number}-active")
    return True


def add_product(
    admin: Caller, code: str, name: str, kind: str, category: str, unit: str, tax_class: str, cost: str
) -> str:
    """One that is on sale."""
    version = {"unit": unit, "tax_class": tax_class, "unit_cost": {"amount": cost, "currency_code": "CNY"}}
    return put_on_sale(admin, {"code": code, "display_name": name, "kind": kind, "category": category}, version)


def add_bundle(admin: Caller, ids: dict[str, str]) -> str:
    """The bundle, of products that are there."""
    code, name, category, unit = BUNDLE
    parts = [{"product_id": ids[each], "quantity": number, "is_option": option} for each, number, option in PARTS]
    product = {"code": code, "display_name": name, "kind": "BUNDLE", "category": category}
    return put_on_sale(admin, product, {"unit": unit, "tax_class": "STANDARD", "parts": parts})


def put_on_sale(admin: Caller, product: Json, version: Json) -> str:
    """A product with its first version."""
    code = product["code"]
    id = str(admin.post("/v1/products", product, f"product-{code}")["id"])
    body = {"version": version | {"valid_from_date": BEGIN}}
    admin.post(f"/v1/products/{id}:addVersion", body, f"version-{code}")
    admin.post(f"/v1/products/{id}:activate", {}, f"active-{code}")
    return id
