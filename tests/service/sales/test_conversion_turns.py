"""A conversion that looks for an account or contact, and is stopped until others have created it in its place."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.sales.v1 import leads_pb2 as pb
from crm_sales.accounts.client import CustomerClient
from crm_sales.leads.servicer import LeadServicer

from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused
from tests.service.sales.converting import Qualified, accounts_of, contacts_of
from tests.service.sales.selling import Sales


class Stopped(CustomerClient):
    """Looks once, and does nothing with what it found until it is let go."""

    def __init__(self, working: CustomerClient, what: str) -> None:
        super().__init__(working._peer)
        self.has_looked, self.go_on = asyncio.Event(), asyncio.Event()
        self._what = what

    async def _named_account(self, *asked: Any) -> Any:
        return await self._held("account", await super()._named_account(*asked))

    async def _named_contact(self, *asked: Any) -> Any:
        return await self._held("contact", await super()._named_contact(*asked))

    async def _held(self, what: str, found: Any) -> Any:
        if what == self._what and not self.has_looked.is_set():
            assert found is None
            self.has_looked.set()
            await self.go_on.wait()
        return found


@contextlib.asynccontextmanager
async def lapsed(*_: object, **__: object) -> AsyncIterator[None]:
    """A turn as it is to who does not notice that it is over."""
    yield


@pytest.fixture
def servicer(sales: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[LeadServicer]:
    monkeypatch.setattr("crm_sales.leads.conversion.turn", lapsed)
    found = next(each for each in sales.service.servicers if isinstance(each, LeadServicer))
    working = found._customer
    yield found
    found._customer = working


async def convert(api: Sales, by: User, lead: pb.Lead) -> pb.Lead:
    return await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=by.metadata)


async def convert_around(
    api: Sales, servicer: LeadServicer, what: str, first: tuple[User, pb.Lead], *others: tuple[User, pb.Lead]
) -> list[pb.Lead]:
    """The leads once they are converted, the first by a process that is stopped when it has looked."""
    working, stopped = servicer._customer, Stopped(servicer._customer, what)
    servicer._customer = stopped
    converting = asyncio.create_task(convert(api, *first))
    await asyncio.wait_for(stopped.has_looked.wait(), 60)
    servicer._customer = working
    converted = [await convert(api, *each) for each in others]
    stopped.go_on.set()
    return [await converting, *converted]


async def test_who_was_stopped_before_it_creates_an_account_takes_the_one_that_came_meanwhile(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer
) -> None:
    names = {"Huaxin Power": "Anna", "HUAXIN  power": "Bert", "huaxin power": "Carl"}
    leads = [
        (seller, await qualified(company_name=name, display_name=person, phone_number="", email=""))
        for name, person in names.items()
    ]
    converted = await convert_around(api, servicer, "account", *leads)
    (account,) = await accounts_of(customer, seller)
    assert {each.account_id for each in converted} == {account.id}
    assert len(await contacts_of(customer, seller)) == 3


async def test_who_was_stopped_before_it_creates_a_contact_takes_the_one_that_came_meanwhile(
    api: Sales, seller: User, qualified: Qualified, customer: Running, servicer: LeadServicer
) -> None:
    await new_account(customer, seller)
    leads = [(seller, await qualified()) for _ in range(2)]
    converted = await convert_around(api, servicer, "contact", *leads)
    (contact,) = await contacts_of(customer, seller)
    assert {each.contact_id for each in converted} == {contact.id}


async def test_a_call_is_refused_when_more_were_created_under_its_key_than_it_knows(
    seller: User, customer: Running
) -> None:
    accounts: Any = AccountServiceStub(customer.channel)

    async def create(key: str, number: str) -> accounts_pb2.Account:
        account = accounts_pb2.Account(display_name="华信", kind=accounts_pb2.Account.KIND_ORGANIZATION)
        metadata = (*seller.metadata, ("creation-key", key), ("creation-number", number))
        request = accounts_pb2.CreateAccountRequest(account=account)
        created: accounts_pb2.Account = await accounts.CreateAccount(request, metadata=metadata)
        return created

    await create("one", "0")
    await create("another", "0")
    for number in ("0", "2"):
        with refused("ALREADY_EXISTS", "CREATED_MEANWHILE"):
            await create("one", number)
    await create("one", "1")
    at_once = await asyncio.gather(*(create("one", "2") for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(each, accounts_pb2.Account) for each in at_once) == 1
    for wrong in ("-1", "x", "1" * 10):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
            await create("one", wrong)
    assert len(await accounts_of(customer, seller)) == 4
