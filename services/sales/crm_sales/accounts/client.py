"""Calls to the customer service, as the user whose request this is."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC
from hashlib import sha256
from typing import TypeVar
from uuid import UUID, uuid5

from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm_kit.custom_fields.model import CustomField
from crm_kit.errors import AlreadyExists, Conflict
from crm_kit.identity.access import Actor
from crm_kit.likeness import Likeness, Person, likeness
from crm_kit.resource.values import to_value
from crm_kit.rpc.clients import ServiceClient
from crm_kit.rpc.creations import Creation, number_in
from crm_kit.rpc.custom_fields import custom_fields_of
from crm_kit.wire import id_text
from google.protobuf.field_mask_pb2 import FieldMask

from crm_sales.accounts.corrections import OF_ACCOUNTS, OF_CONTACTS, corrected, is_as_told
from crm_sales.accounts.model import Earlier, New, NewAccount, NewContact

ACCOUNTS = "/crm.customer.v1.AccountService/"
CONTACTS = "/crm.customer.v1.ContactService/"
# The longest text that the customer service searches for.
MAX_QUERY_LENGTH = 200
MAX_PAGE_SIZE = 200
MAX_TRIES = 5
NOTHING: Earlier[NewAccount] = Earlier()
NOBODY: Earlier[NewContact] = Earlier()

Made = TypeVar("Made", accounts_pb2.Account, contacts_pb2.Contact)


class CustomerClient:
    """What sales needs of the customer service."""

    def __init__(self, peer: ServiceClient) -> None:
        self._peer = peer

    async def find_or_create_account(
        self,
        wanted: NewAccount,
        *,
        actor: Actor,
        check: Callable[[], Awaitable[object]],
        earlier: Earlier[NewAccount] = NOTHING,
    ) -> accounts_pb2.Account:
        """The account. It is created as by the actor, once for each lead, and only after `check` has raised nothing.

        What was told of it `earlier`, and is otherwise now, is corrected as by the actor.
        FailedPrecondition LEAD_ACCOUNT_NOT_VISIBLE when it was created before and the actor may not see it.
        """
        request = accounts_pb2.CreateAccountFromLeadRequest(
            account=account_to_pb(wanted), lead_id=str(wanted.lead_id), user_id=str(actor.user_id)
        )

        async def create(creation: Creation) -> accounts_pb2.Account:
            await check()
            path, tenant_id = ACCOUNTS + "CreateAccountFromLead", actor.tenant_id
            # In the service's own name: nobody else says which account is that of a lead.
            return await self._peer.call(path, request, accounts_pb2.Account, tenant_id=tenant_id, creation=creation)

        found = await found_or_created(lambda: self._named_account(wanted), create, name=wanted.key)
        told = map(account_to_pb, made_by(earlier, found))
        names = corrected(OF_ACCOUNTS, found, request.account, told)
        if not names:
            return found
        now = account_to_pb(wanted)
        now.id, now.etag = found.id, found.etag
        correction = accounts_pb2.UpdateAccountRequest(account=now, update_mask=FieldMask(paths=names))
        return await self._peer.call(ACCOUNTS + "UpdateAccount", correction, accounts_pb2.Account)

    async def custom_fields(self, collection: str) -> dict[str, CustomField]:
        """The custom fields that `accounts` or `contacts` have."""
        return await custom_fields_of(self._peer, collection)

    async def find_or_create_contact(
        self, wanted: NewContact, *, key: UUID, earlier: Earlier[NewContact] = NOBODY
    ) -> contacts_pb2.Contact:
        """The contact who is this person at the account. With the same `key` it is created once.

        What was told of them `earlier`, and is otherwise now, is corrected.
        """
        request = contacts_pb2.CreateContactRequest(contact=contact_to_pb(wanted))
        # An idempotency key belongs to one request, and a lead that was corrected since asks for something else.
        own_key = str(uuid5(key, request.SerializeToString(deterministic=True).hex()))

        async def create(creation: Creation) -> contacts_pb2.Contact:
            path = CONTACTS + "CreateContact"
            return await self._peer.call(path, request, contacts_pb2.Contact, key=own_key, creation=creation)

        found = await found_or_created(lambda: self._named_contact(wanted, earlier), create, name=wanted.key)
        told = map(contact_to_pb, made_by(earlier, found))
        names = corrected(OF_CONTACTS, found, request.contact, told)
        if not names:
            return found
        now = contact_to_pb(wanted)
        now.id, now.etag = found.id, found.etag
        correction = contacts_pb2.UpdateContactRequest(contact=now, update_mask=FieldMask(paths=names))
        return await self._peer.call(CONTACTS + "UpdateContact", correction, contacts_pb2.Contact)

    async def _named_account(self, wanted: NewAccount) -> accounts_pb2.Account | None:
        """An organization of this name, however typed; private persons share names, so their phone must agree too."""
        if wanted.is_organization:
            query = wanted.display_name
        elif wanted.phone_number:
            # A comma ends the number, which would go on with a name that begins with digits.
            query = f"{wanted.phone_number} , {wanted.display_name}"[:MAX_QUERY_LENGTH]
        else:
            return None
        request = accounts_pb2.SearchAccountsRequest(query=query, page_size=20)
        found = await self._peer.call(ACCOUNTS + "SearchAccounts", request, accounts_pb2.SearchAccountsResponse)
        for account in found.accounts:
            same_name = wanted.is_named(account.display_name) and account.kind == kind_of(wanted)
            if same_name and (wanted.is_organization or wanted.phone_number in account.phone_numbers):
                return account
        return None

    async def _named_contact(self, wanted: NewContact, earlier: Earlier[NewContact]) -> contacts_pb2.Contact | None:
        """The contact of the account who is the same person.

        Else the one that was told of earlier; else a namesake of whom nothing says otherwise.
        """
        known = namesake = None
        async for each in self._contacts_of(wanted.account_id):
            alike = likeness(wanted.person, Person(each.display_name, each.phone_numbers, each.emails))
            if alike is Likeness.SAME:
                return each
            if is_as_told(each, map(contact_to_pb, made_by(earlier, each))):
                known = each
            elif alike is Likeness.NAMESAKE and namesake is None:
                namesake = each
        return known or namesake

    async def _contacts_of(self, account_id: UUID) -> AsyncIterator[contacts_pb2.Contact]:
        request = contacts_pb2.ListContactsRequest(account_id=str(account_id), page_size=MAX_PAGE_SIZE)
        while True:
            page = await self._peer.call(CONTACTS + "ListContacts", request, contacts_pb2.ListContactsResponse)
            for each in page.contacts:
                yield each
            request.page_token = page.next_page_token
            if not request.page_token:
                return


async def found_or_created(
    find: Callable[[], Awaitable[Made | None]], create: Callable[[Creation], Awaitable[Made]], *, name: str
) -> Made:
    """What is found, or else created under the name.

    Of those who look for one name at once, one creates it, and all others are refused and find it; also who was stopped
    after it had looked, for however long. Who may not see what another created creates one too. Conflict when others
    are quicker time and again.
    """
    creation = Creation(sha256(name.encode()).hexdigest())
    for _ in range(MAX_TRIES):
        found = await find()
        if found is not None:
            return found
        try:
            return await create(creation)
        except AlreadyExists as error:
            if error.reason != "CREATED_MEANWHILE":
                raise
            creation = replace(creation, number=number_in(error))
    raise Conflict("others create the same at the same time; try again")


def made_by(earlier: Earlier[New], found: Made) -> Sequence[New]:
    """What was told earlier of the record, if it may have been created by that."""
    return earlier.told_by(found.create_time.ToDatetime(UTC))


def kind_of(wanted: NewAccount) -> "accounts_pb2.Account.Kind.ValueType":
    return accounts_pb2.Account.KIND_ORGANIZATION if wanted.is_organization else accounts_pb2.Account.KIND_PERSON


def account_to_pb(wanted: NewAccount) -> accounts_pb2.Account:
    return accounts_pb2.Account(
        kind=kind_of(wanted),
        display_name=wanted.display_name,
        roles=[accounts_pb2.Account.ROLE_PROSPECT],
        region_code=wanted.region_code or "",
        source=wanted.source or "",
        owner_id=id_text(wanted.owner_id),
        phone_numbers=[wanted.phone_number] if wanted.phone_number else [],
        emails=[wanted.email] if wanted.email else [],
        custom={key: to_value(value) for key, value in wanted.custom.items()},
    )


def contact_to_pb(wanted: NewContact) -> contacts_pb2.Contact:
    return contacts_pb2.Contact(
        display_name=wanted.display_name,
        accounts=[contacts_pb2.Contact.AccountLink(account_id=str(wanted.account_id))],
        job_title=wanted.job_title or "",
        phone_numbers=[wanted.phone_number] if wanted.phone_number else [],
        emails=[wanted.email] if wanted.email else [],
        owner_id=id_text(wanted.owner_id),
        custom={key: to_value(value) for key, value in wanted.custom.items()},
    )
