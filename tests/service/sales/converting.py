"""What a conversion leaves in the customer service."""

from collections.abc import Awaitable, Callable

from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.sales.v1 import leads_pb2 as pb

from tests.service.running import Running, User

Qualified = Callable[..., Awaitable[pb.Lead]]


async def accounts_of(customer: Running, user: User) -> list[accounts_pb2.Account]:
    page = await AccountServiceStub(customer.channel).ListAccounts(
        accounts_pb2.ListAccountsRequest(), metadata=user.metadata
    )
    return list(page.accounts)


async def contacts_of(customer: Running, user: User) -> list[contacts_pb2.Contact]:
    page = await ContactServiceStub(customer.channel).ListContacts(
        contacts_pb2.ListContactsRequest(), metadata=user.metadata
    )
    return list(page.contacts)
