"""Products, declared."""

from crm.sales.v1 import events_pb2 as events
from crm.sales.v1 import products_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_sales.products.model import Product, ProductState
from crm_sales.products.tables import products

PRODUCTS = Resource(
    "product",
    entity=Product,
    table=products,
    message=pb.Product,
    created=events.ProductCreated,
    updated=events.ProductUpdated,
    hidden={"state": {ProductState.RETIRED}},
    verbs={
        "ActivateProduct": lambda product, _: product.activate(),
        "RetireProduct": lambda product, _: product.retire(),
        "AddProductVersion": lambda product, _: product,
    },
)
