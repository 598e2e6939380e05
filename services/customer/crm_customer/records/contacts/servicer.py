"""ContactService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import contacts_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.records.contacts import commands
from crm_customer.records.contacts.resource import AT_ACCOUNT, CONTACTS
from crm_customer.records.contacts.search import SEARCH
from crm_customer.records.quality_rules.keeping import checks_of


class ContactServicer:
    contract = pb.DESCRIPTOR.services_by_name["ContactService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateContact(self, request: pb.CreateContactRequest, work: UnitOfWork) -> pb.Contact:
        values = await CONTACTS.to_create(work, request.contact)
        return CONTACTS.message(work, await commands.create_contact(work, values))

    async def GetContact(self, request: pb.GetContactRequest, reader: Reader) -> pb.Contact:
        return await CONTACTS.read(reader, request.id)

    async def ListContacts(self, request: pb.ListContactsRequest, reader: Reader) -> pb.ListContactsResponse:
        response = pb.ListContactsResponse
        if not request.account_id:
            return await CONTACTS.list(reader, request, response, self._tokens)
        at = {"account_id": UUID(request.account_id)}
        return await CONTACTS.list(reader, request, response, self._tokens, listing=AT_ACCOUNT, binds=at)

    async def UpdateContact(self, request: pb.UpdateContactRequest, work: UnitOfWork) -> pb.Contact:
        before, values = await CONTACTS.to_update(work, request)
        return CONTACTS.message(work, await commands.update_contact(work, before, values))

    async def ConfirmContactFields(self, request: pb.ConfirmContactFieldsRequest, work: UnitOfWork) -> pb.Contact:
        before = await CONTACTS.target(work, request)
        confirmed = await commands.confirm_contact_fields(work, before, checks_of(work, request))
        return CONTACTS.message(work, confirmed)

    async def AdoptContactSourceValue(self, request: pb.AdoptContactSourceValueRequest, work: UnitOfWork) -> pb.Contact:
        id, value_id = UUID(request.id), UUID(request.source_value_id)
        adopted = await commands.adopt_contact_source_value(work, id, value_id, etag=request.etag)
        return CONTACTS.message(work, adopted)

    async def ArchiveContact(self, request: pb.ArchiveContactRequest, work: UnitOfWork) -> pb.Contact:
        before = await CONTACTS.target(work, request)
        return CONTACTS.message(work, await commands.archive_contact(work, before))

    async def RestoreContact(self, request: pb.RestoreContactRequest, work: UnitOfWork) -> pb.Contact:
        before = await CONTACTS.target(work, request)
        return CONTACTS.message(work, await commands.restore_contact(work, before))

    async def SearchContacts(self, request: pb.SearchContactsRequest, reader: Reader) -> pb.SearchContactsResponse:
        return await SEARCH.answer(reader, request, pb.SearchContactsResponse, self._tokens)
