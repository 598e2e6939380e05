"""ProductService: from message to command or query and back, nothing else."""

from crm.sales.v1 import products_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import value_in

from crm_sales.products import commands
from crm_sales.products.model import ProductVersion
from crm_sales.products.resource import PRODUCTS


class ProductServicer:
    contract = pb.DESCRIPTOR.services_by_name["ProductService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateProduct(self, request: pb.CreateProductRequest, work: UnitOfWork) -> pb.Product:
        return PRODUCTS.message(work, commands.create_product(work, PRODUCTS.values_of(request.product)))

    async def GetProduct(self, request: pb.GetProductRequest, reader: Reader) -> pb.Product:
        return await PRODUCTS.read(reader, request.id)

    async def ListProducts(self, request: pb.ListProductsRequest, reader: Reader) -> pb.ListProductsResponse:
        return await PRODUCTS.list(reader, request, pb.ListProductsResponse, self._tokens)

    async def UpdateProduct(self, request: pb.UpdateProductRequest, work: UnitOfWork) -> pb.Product:
        before, values = await PRODUCTS.to_update(work, request)
        return PRODUCTS.message(work, commands.update_product(work, before, values))

    async def AddProductVersion(self, request: pb.AddProductVersionRequest, work: UnitOfWork) -> pb.Product:
        before = await PRODUCTS.target(work, request)
        version = value_in(request, "version", ProductVersion)
        return PRODUCTS.message(work, await commands.add_version(work, before, version))

    async def ActivateProduct(self, request: pb.ActivateProductRequest, work: UnitOfWork) -> pb.Product:
        before = await PRODUCTS.target(work, request)
        return PRODUCTS.message(work, commands.activate_product(work, before))

    async def RetireProduct(self, request: pb.RetireProductRequest, work: UnitOfWork) -> pb.Product:
        before = await PRODUCTS.target(work, request)
        return PRODUCTS.message(work, commands.retire_product(work, before))
