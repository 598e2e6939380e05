"""ContactService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import contacts_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.history import list_changes
from crm_kit.paging import PageTokens

from crm_customer.records.contacts import commands
from crm_customer.records.contacts.queries import LISTING, LISTING_AT_ACCOUNT, contact_from, get_contact
from crm_customer.records.contacts.wire import CHANGEABLE, FIELDS, contact_to_pb


class ContactServicer:
    contract = pb.DESCRIPTOR.services_by_name["ContactService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateContact(self, request: pb.CreateContactRequest, work: UnitOfWork) -> pb.Contact:
        contact = await commands.create_contact(
            work, display_name=request.contact.display_name, values=FIELDS.all_of(request.contact)
        )
        return contact_to_pb(contact)

    async def GetContact(self, request: pb.GetContactRequest, reader: Reader) -> pb.Contact:
        return contact_to_pb(await get_contact(reader, UUID(request.id)))

    async def ListContacts(self, request: pb.ListContactsRequest, reader: Reader) -> pb.ListContactsResponse:
        if request.account_id:
            id = UUID(request.account_id)
            page = await LISTING_AT_ACCOUNT.page(reader, request, self._tokens, account_id=id)
        else:
            page = await LISTING.page(reader, request, self._tokens)
        contacts = [contact_to_pb(contact_from(row)) for row in page.rows]
        return pb.ListContactsResponse(
            contacts=contacts, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def UpdateContact(self, request: pb.UpdateContactRequest, work: UnitOfWork) -> pb.Contact:
        values = CHANGEABLE.masked(request.contact, request.update_mask)
        contact = await commands.update_contact(work, UUID(request.contact.id), values, etag=request.contact.etag)
        return contact_to_pb(contact)

    async def ArchiveContact(self, request: pb.ArchiveContactRequest, work: UnitOfWork) -> pb.Contact:
        return contact_to_pb(await commands.archive_contact(work, UUID(request.id), etag=request.etag))

    async def RestoreContact(self, request: pb.RestoreContactRequest, work: UnitOfWork) -> pb.Contact:
        return contact_to_pb(await commands.restore_contact(work, UUID(request.id), etag=request.etag))

    async def ListContactChanges(
        self, request: pb.ListContactChangesRequest, reader: Reader
    ) -> pb.ListContactChangesResponse:
        await get_contact(reader, UUID(request.id))
        page = await list_changes(
            reader,
            "contact",
            UUID(request.id),
            page_size=request.page_size,
            page_token=request.page_token,
            tokens=self._tokens,
        )
        return pb.ListContactChangesResponse(
            changes=page.rows, next_page_token=page.next_token, prev_page_token=page.prev_token
        )
