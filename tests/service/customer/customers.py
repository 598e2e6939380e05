"""Customers for tests: accounts, contacts and interactions, made through the contract; keywords are their fields."""

from typing import TYPE_CHECKING, Any

from crm.customer.v1 import accounts_pb2, contacts_pb2, interactions_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.customer.v1.interactions_pb2_grpc import InteractionServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.interactions_pb2_grpc import InteractionServiceAsyncStub

Link = contacts_pb2.Contact.AccountLink


async def new_account(customer: Running, by: User, **fields: Any) -> accounts_pb2.Account:
    """An organization."""
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    values: dict[str, Any] = {"kind": accounts_pb2.Account.KIND_ORGANIZATION, "display_name": "华信电力有限公司"}
    account = accounts_pb2.Account(**values | fields)
    return await stub.CreateAccount(accounts_pb2.CreateAccountRequest(account=account), metadata=by.metadata)


async def renamed(
    accounts: "AccountServiceAsyncStub", by: User, id: str, name: str, **more: str
) -> accounts_pb2.Account:
    """An account under another name; `more` goes with the call."""
    account = accounts_pb2.Account(id=id, display_name=name)
    request = accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=["display_name"]))
    return await accounts.UpdateAccount(request, metadata=(*by.metadata, *more.items()))


async def new_contact(customer: Running, by: User, *at: str, key: str = "", **fields: Any) -> contacts_pb2.Contact:
    """A contact at these accounts."""
    stub: ContactServiceAsyncStub = ContactServiceStub(customer.channel)
    values: dict[str, Any] = {"display_name": "李小明", "accounts": [Link(account_id=id) for id in at]}
    request = contacts_pb2.CreateContactRequest(contact=contacts_pb2.Contact(**values | fields))
    return await stub.CreateContact(request, metadata=by.with_key(key) if key else by.metadata)


async def new_interaction(
    customer: Running, by: User, account_id: str, *, key: str = "", **fields: Any
) -> interactions_pb2.Interaction:
    """A call from this account."""
    stub: InteractionServiceAsyncStub = InteractionServiceStub(customer.channel)
    values: dict[str, Any] = {
        "account_id": account_id,
        "channel": interactions_pb2.Interaction.CHANNEL_CALL,
        "direction": interactions_pb2.Interaction.DIRECTION_INBOUND,
        "subject": "asked for a quote",
    }
    request = interactions_pb2.CreateInteractionRequest(interaction=interactions_pb2.Interaction(**values | fields))
    return await stub.CreateInteraction(request, metadata=by.with_key(key) if key else by.metadata)
