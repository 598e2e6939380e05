"""Contacts through their contract."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.customer.v1 import contacts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm_kit.database.connections import Record
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from sqlalchemy import bindparam, select

from tests.service.customer.customers import Link, new_account, new_contact
from tests.service.history import changes_of
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub

Create = Callable[..., Awaitable[pb.Contact]]
CreateAccount = Callable[..., Awaitable[accounts_pb2.Account]]
BOTH = {"accounts.read", "accounts.write", "contacts.read", "contacts.write"}


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def contacts(customer: Running) -> "ContactServiceAsyncStub":
    return ContactServiceStub(customer.channel)


@pytest.fixture
def create_account(customer: Running, user: User) -> CreateAccount:
    """Creates an account as `user` or another; keywords are its fields."""

    async def create(*, by: User = user, **fields: Any) -> accounts_pb2.Account:
        return await new_account(customer, by, **fields)

    return create


@pytest.fixture
async def account(create_account: CreateAccount) -> accounts_pb2.Account:
    return await create_account()


@pytest.fixture
def create(customer: Running, user: User, account: accounts_pb2.Account) -> Create:
    """Creates a contact at `account` as `user`; keywords are its fields, `at` other accounts' ids."""

    async def create_contact(*, by: User = user, at: tuple[str, ...] = (), **fields: Any) -> pb.Contact:
        return await new_contact(customer, by, *(at or (account.id,)), **fields)

    return create_contact


def patch(contact: pb.Contact, *paths: str, **fields: Any) -> pb.UpdateContactRequest:
    """An update of these fields of the contact, without an etag unless it is among them."""
    mask = FieldMask(paths=paths or list(fields))
    return pb.UpdateContactRequest(contact=pb.Contact(id=contact.id, **fields), update_mask=mask)


async def events_about(customer: Running, tenant_id: UUID, id: str, payload: Message) -> list[Any]:
    """The events of one type in the outbox that are about a resource, in their order."""
    query = (
        select(outbox.c.event)
        .where(outbox.c.tenant_id == bindparam("tenant_id"), outbox.c.aggregate_id == bindparam("id"))
        .order_by(outbox.c.id)
    )
    rows: list[Record]
    async with customer.unit_of_work(tenant_id) as work:
        rows = await work.all(compile_statement(query), id=UUID(id))
    found = []
    for row in rows:
        into = type(payload)()
        if event_of(row["event"]).payload.Unpack(into):
            found.append(into)
    return found


# --- creating and reading


async def test_a_created_contact_is_read_back_as_it_was_answered(
    contacts: "ContactServiceAsyncStub", user: User, create: Create, create_account: CreateAccount
) -> None:
    first, second = (await create_account()).id, (await create_account()).id
    boss = await create()
    created = await create(
        accounts=[
            Link(account_id=second, role=pb.Contact.ROLE_DECISION_MAKER),
            Link(account_id=first, role=pb.Contact.ROLE_UNSPECIFIED),
        ],
        job_title="Head of procurement",
        department="Procurement",
        phone_numbers=["+8613800138000"],
        emails=["li@huaxin.example"],
        birth_date="1984-02-29",
        reports_to_id=boss.id,
        preferences="tea",
        taboos="calls before nine",
        consents=[accounts_pb2.Consent(channel="SMS", state=accounts_pb2.Consent.STATE_GRANTED)],
    )
    assert UUID(created.id).version == 7
    assert [link.account_id for link in created.accounts] == [second, first]
    assert created.accounts[0].role == pb.Contact.ROLE_DECISION_MAKER
    assert (created.birth_date, created.reports_to_id) == ("1984-02-29", boss.id)
    assert (created.owner_id, created.status) == (str(user.id), pb.Contact.STATUS_ACTIVE)
    assert await contacts.GetContact(pb.GetContactRequest(id=created.id), metadata=user.metadata) == created


async def test_the_same_key_creates_one_contact(
    contacts: "ContactServiceAsyncStub", user: User, create: Create, account: accounts_pb2.Account
) -> None:
    first, again = await create(key="k1"), await create(key="k1")
    assert first == again
    listed = await contacts.ListContacts(pb.ListContactsRequest(account_id=account.id), metadata=user.metadata)
    assert [each.id for each in listed.contacts] == [first.id]
    with refused("ALREADY_EXISTS", "IDEMPOTENCY_KEY_REUSED"):
        await create(key="k1", display_name="王芳")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"accounts": []}, {"contact.accounts"}),
        ({"birth_date": "1985-02-29"}, {"contact.birth_date"}),
        ({"birth_date": "2999-01-01"}, {"contact.birth_date"}),
        ({"display_name": " x", "phone_numbers": ["138"]}, {"contact.display_name", "contact.phone_numbers[0]"}),
    ],
)
async def test_a_contact_that_breaks_a_rule_is_refused_by_field(
    create: Create, fields: dict[str, Any], named: set[str]
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(**fields)
    assert set(refusal.fields) == named


async def test_a_contact_is_at_an_account_once(create: Create, account: accounts_pb2.Account) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(at=(account.id, account.id))
    assert refusal.fields == ["contact.accounts[1]"]


async def test_an_account_that_the_caller_cannot_see_gets_no_contact(
    create: Create, create_account: CreateAccount, customer: Running, user: User
) -> None:
    foreign = await create_account(by=await customer.user())
    seller = await customer.user(user.tenant_id, grants=dict.fromkeys(BOTH, Scope.OWN))
    hidden, own = await create_account(), await create_account(by=seller)
    for id in (foreign.id, str(new_id()), hidden.id):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await create(by=seller, at=(own.id, id))
        assert refusal.fields == ["contact.accounts[1].account_id"]


async def test_an_archived_account_gets_no_contact(
    create: Create, accounts: "AccountServiceAsyncStub", account: accounts_pb2.Account, user: User
) -> None:
    await accounts.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=account.id), metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await create()


# --- changing


async def test_only_the_fields_in_the_mask_change(
    contacts: "ContactServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create(job_title="buyer", department="sales")
    request = patch(created, "job_title", job_title="", department="ignored")
    updated = await contacts.UpdateContact(request, metadata=user.metadata)
    assert (updated.job_title, updated.department, updated.accounts) == ("", "sales", created.accounts)
    assert updated.etag != created.etag
    read = await contacts.GetContact(pb.GetContactRequest(id=created.id), metadata=user.metadata)
    assert read == updated


async def test_a_stale_etag_is_refused_and_changes_nothing(
    contacts: "ContactServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    await contacts.UpdateContact(patch(created, job_title="first"), metadata=user.metadata)
    with refused("ABORTED", "ETAG_MISMATCH"):
        stale = patch(created, "job_title", job_title="second", etag=created.etag)
        await contacts.UpdateContact(stale, metadata=user.metadata)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await contacts.ArchiveContact(
            pb.ArchiveContactRequest(id=created.id, etag=created.etag), metadata=user.metadata
        )
    now = await contacts.GetContact(pb.GetContactRequest(id=created.id), metadata=user.metadata)
    assert (now.job_title, now.status) == ("first", pb.Contact.STATUS_ACTIVE)


async def test_an_update_that_changes_nothing_keeps_the_etag(
    contacts: "ContactServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create(job_title="buyer")
    assert await contacts.UpdateContact(patch(created, job_title="buyer"), metadata=user.metadata) == created


async def test_a_contact_stays_with_its_owner_and_team_whatever_became_of_the_owner(
    contacts: "ContactServiceAsyncStub", customer: Running, user: User, create: Create
) -> None:
    north, south = await customer.team(user.tenant_id), await customer.team(user.tenant_id)
    moved = await customer.user(user.tenant_id, team_id=north)
    gone = await customer.user(user.tenant_id, team_id=north)
    kept = [await create(owner_id=str(owner.id)) for owner in (moved, gone)]
    await customer.change_user(moved, team_id=south)
    await customer.change_user(gone, active=False)
    for contact in kept:
        request = pb.UpdateContactRequest(contact=contact)
        assert await contacts.UpdateContact(request, metadata=user.metadata) == contact
        assert await contacts.UpdateContact(patch(contact, "owner_id"), metadata=user.metadata) == contact
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await contacts.UpdateContact(patch(kept[0], owner_id=str(gone.id)), metadata=user.metadata)
    assert refusal.fields == ["contact.owner_id"]


async def test_an_id_that_is_none_is_refused_whatever_the_mask_names(
    contacts: "ContactServiceAsyncStub", user: User
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await contacts.UpdateContact(patch(pb.Contact(id="nobody"), job_title="x"), metadata=user.metadata)
    assert refusal.fields == ["contact.id"]


async def test_a_contact_changes_accounts_roles_and_their_order(
    contacts: "ContactServiceAsyncStub",
    user: User,
    create: Create,
    create_account: CreateAccount,
    account: accounts_pb2.Account,
) -> None:
    other, third = (await create_account()).id, (await create_account()).id
    created = await create(at=(account.id, other))
    wanted = [Link(account_id=third, role=pb.Contact.ROLE_USER), Link(account_id=account.id)]
    updated = await contacts.UpdateContact(patch(created, accounts=wanted), metadata=user.metadata)
    assert [nameless(each) for each in updated.accounts] == wanted
    read = await contacts.GetContact(pb.GetContactRequest(id=created.id), metadata=user.metadata)
    assert list(read.accounts) == list(updated.accounts)
    for id, there in ((account.id, [created.id]), (other, []), (third, [created.id])):
        page = await contacts.ListContacts(pb.ListContactsRequest(account_id=id), metadata=user.metadata)
        assert [each.id for each in page.contacts] == there
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await contacts.UpdateContact(patch(created, "accounts"), metadata=user.metadata)
    assert refusal.fields == ["contact.accounts"]


async def test_nobody_reports_to_themselves_not_by_way_of_others_either(
    contacts: "ContactServiceAsyncStub", user: User, create: Create
) -> None:
    top = await create()
    middle = await create(reports_to_id=top.id)
    low = await create(reports_to_id=middle.id)
    for superior in (low, middle, top):
        with refused("FAILED_PRECONDITION", "CONTACT_CYCLE"):
            await contacts.UpdateContact(patch(top, reports_to_id=superior.id), metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await contacts.UpdateContact(patch(top, reports_to_id=str(new_id())), metadata=user.metadata)
    assert refusal.fields == ["contact.reports_to_id"]
    moved = await contacts.UpdateContact(patch(low, reports_to_id=top.id), metadata=user.metadata)
    assert moved.reports_to_id == top.id


async def test_two_who_are_put_below_each_other_at_the_same_time_make_no_cycle(
    contacts: "ContactServiceAsyncStub", user: User, create: Create
) -> None:
    for _ in range(5):
        one, two = await create(), await create()
        calls = [
            contacts.UpdateContact(patch(one, reports_to_id=two.id), metadata=user.metadata),
            contacts.UpdateContact(patch(two, reports_to_id=one.id), metadata=user.metadata),
        ]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(result, pb.Contact) for result in results) == 1


async def test_an_archived_contact_leaves_the_list_until_asked_for_and_can_be_restored(
    contacts: "ContactServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    archived = await contacts.ArchiveContact(
        pb.ArchiveContactRequest(id=created.id, etag=created.etag), metadata=user.metadata
    )
    assert archived.status == pb.Contact.STATUS_ARCHIVED
    listed = await contacts.ListContacts(pb.ListContactsRequest(), metadata=user.metadata)
    assert not listed.contacts
    listed = await contacts.ListContacts(pb.ListContactsRequest(filter="status = ARCHIVED"), metadata=user.metadata)
    assert [each.id for each in listed.contacts] == [created.id]
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await contacts.ArchiveContact(pb.ArchiveContactRequest(id=created.id), metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await contacts.UpdateContact(patch(created, job_title="x"), metadata=user.metadata)
    restored = await contacts.RestoreContact(pb.RestoreContactRequest(id=created.id), metadata=user.metadata)
    assert restored.status == pb.Contact.STATUS_ACTIVE
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await contacts.RestoreContact(pb.RestoreContactRequest(id=created.id), metadata=user.metadata)


# --- lists, history, events


async def test_a_list_is_filtered_ordered_and_paged(
    contacts: "ContactServiceAsyncStub", user: User, create: Create, create_account: CreateAccount
) -> None:
    here, there = (await create_account()).id, (await create_account()).id
    for name, birth_date, at in (
        ("Anna", "1980-05-01", here),
        ("Bo", "", here),
        ("Carl", "1990-01-31", here),
        ("Dora", "1991-01-31", there),
    ):
        await create(display_name=name, birth_date=birth_date, at=(at,), emails=[f"{name}@x.example"])

    async def names(**fields: Any) -> list[str]:
        token, found = "", []
        while True:
            request = pb.ListContactsRequest(page_token=token, **fields)
            page = await contacts.ListContacts(request, metadata=user.metadata)
            found += [each.display_name for each in page.contacts]
            token = page.next_page_token
            if not token:
                return found

    assert await names() == ["Dora", "Carl", "Bo", "Anna"]
    assert await names(order_by="display_name", page_size=1) == ["Anna", "Bo", "Carl", "Dora"]
    assert await names(account_id=here, order_by="display_name", page_size=2) == ["Anna", "Bo", "Carl"]
    assert await names(filter="birth_date >= 1985-01-01", order_by="display_name") == ["Carl", "Dora"]
    assert await names(filter='emails:"Bo@x.example"') == ["Bo"]
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await names(filter="shoe_size = 43")
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await contacts.ListContacts(pb.ListContactsRequest(page_token="x"), metadata=user.metadata)


async def test_history_says_who_changed_what(
    customer: Running, contacts: "ContactServiceAsyncStub", user: User, create: Create, account: accounts_pb2.Account
) -> None:
    created = await create(birth_date="1985-04-23")
    link = Link(account_id=account.id, role=pb.Contact.ROLE_FINANCE)
    await contacts.UpdateContact(patch(created, birth_date="1985-04-24", accounts=[link]), metadata=user.metadata)
    await contacts.ArchiveContact(pb.ArchiveContactRequest(id=created.id), metadata=user.metadata)
    page = await changes_of(customer, "contacts", created.id, user.metadata)
    assert [change.action for change in page.changes] == ["ARCHIVED", "UPDATED", "CREATED"]
    assert {change.actor_id for change in page.changes} == {str(user.id)}
    fields = {field.field: field for field in page.changes[1].fields}
    assert fields.keys() == {"birth_date", "accounts"}
    assert fields["birth_date"].old_value.string_value == "1985-04-23"
    links: Any = MessageToDict(fields["accounts"].new_value)
    assert links == [{"account_id": account.id, "role": "FINANCE"}]


async def test_events_carry_the_contact_as_it_is_now(
    contacts: "ContactServiceAsyncStub", user: User, create: Create, customer: Running
) -> None:
    created = await create()
    updated = await contacts.UpdateContact(patch(created, job_title="buyer"), metadata=user.metadata)
    archived = await contacts.ArchiveContact(pb.ArchiveContactRequest(id=created.id), metadata=user.metadata)
    first = await events_about(customer, user.tenant_id, created.id, events_pb2.ContactCreated())
    assert first == [events_pb2.ContactCreated(contact=nameless(created))]
    later = await events_about(customer, user.tenant_id, created.id, events_pb2.ContactUpdated())
    assert later == [events_pb2.ContactUpdated(contact=nameless(updated), changed_fields=["job_title"])]
    last = await events_about(customer, user.tenant_id, created.id, events_pb2.ContactArchived())
    assert last == [events_pb2.ContactArchived(contact=nameless(archived))]
