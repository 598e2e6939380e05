"""Accounts and contacts of the customer service: asked there, as the user whose request this is."""

from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm_kit.errors import AlreadyExists, NotFound, invalid_field
from crm_kit.rpc.clients import ServiceClient

from crm_sales.leads.model import ConversionStep, Lead

ACCOUNTS = "/crm.customer.v1.AccountService/"
CONTACTS = "/crm.customer.v1.ContactService/"
# Under this name an account keeps the id of the lead it came from: no second one can.
LEAD_SOURCE = "lead"


class Customer:
    """What sales needs of the customer service."""

    def __init__(self, peer: ServiceClient) -> None:
        self._peer = peer

    async def require_account(self, id: str, *, field: str) -> None:
        """REFERENCE_NOT_FOUND when there is no such account for the caller."""
        request = accounts_pb2.GetAccountRequest(id=id)
        try:
            await self._peer.call(ACCOUNTS + "GetAccount", request, accounts_pb2.Account)
        except NotFound as error:
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND") from error

    async def find_or_create_account(self, lead: Lead) -> str:
        """The id of the account that is the lead's company, or the private person."""
        found = await self._named_account(lead)
        if found:
            return found
        account = account_of(lead)
        request = accounts_pb2.CreateAccountRequest(account=account)
        key = str(lead.step_key(ConversionStep.ACCOUNT))
        try:
            created = await self._peer.call(ACCOUNTS + "CreateAccount", request, accounts_pb2.Account, key=key)
        except AlreadyExists:
            # Somebody else's attempt created it: the lead's id is among its keys.
            found = await self._account_of_lead(lead)
            if not found:
                raise
            return found
        return created.id

    async def find_or_create_contact(self, lead: Lead, account_id: str) -> str:
        """The id of the contact at the account that is the lead's person."""
        found = await self._named_contact(lead, account_id)
        if found:
            return found
        request = contacts_pb2.CreateContactRequest(contact=contact_of(lead, account_id))
        key = str(lead.step_key(ConversionStep.CONTACT))
        created = await self._peer.call(CONTACTS + "CreateContact", request, contacts_pb2.Contact, key=key)
        return created.id

    async def _named_account(self, lead: Lead) -> str:
        """An organization of exactly this name; private persons share names, so their phone must agree too."""
        wanted = account_of(lead)
        for account in await self._search(wanted.display_name):
            same_name = account.display_name == wanted.display_name and account.kind == wanted.kind
            if same_name and (lead.company_name or lead.phone_number in account.phone_numbers):
                return account.id
        return ""

    async def _account_of_lead(self, lead: Lead) -> str:
        key = accounts_pb2.ExternalId(source=LEAD_SOURCE, value=str(lead.id))
        return next((each.id for each in await self._search(str(lead.id)) if key in each.external_ids), "")

    async def _search(self, query: str) -> list[accounts_pb2.Account]:
        request = accounts_pb2.SearchAccountsRequest(query=query, page_size=20)
        found = await self._peer.call(ACCOUNTS + "SearchAccounts", request, accounts_pb2.SearchAccountsResponse)
        return list(found.accounts)

    async def _named_contact(self, lead: Lead, account_id: str) -> str:
        quoted = lead.display_name.replace("\\", "\\\\").replace('"', '\\"')
        request = contacts_pb2.ListContactsRequest(filter=f'display_name = "{quoted}"', page_size=200)
        found = await self._peer.call(CONTACTS + "ListContacts", request, contacts_pb2.ListContactsResponse)
        there = (each.id for each in found.contacts if account_id in {link.account_id for link in each.accounts})
        return next(there, "")


def account_of(lead: Lead) -> accounts_pb2.Account:
    """The account that a lead becomes: its company, or itself when it has none."""
    organization = bool(lead.company_name)
    kind = accounts_pb2.Account.KIND_ORGANIZATION if organization else accounts_pb2.Account.KIND_PERSON
    return accounts_pb2.Account(
        kind=kind,
        display_name=lead.company_name or lead.display_name,
        roles=[accounts_pb2.Account.ROLE_PROSPECT],
        region_code=lead.region_code,
        source=lead.source,
        owner_id=lead.owner_id,
        phone_numbers=[lead.phone_number] if lead.phone_number and not organization else [],
        emails=[lead.email] if lead.email and not organization else [],
        external_ids=[accounts_pb2.ExternalId(source=LEAD_SOURCE, value=str(lead.id))],
    )


def contact_of(lead: Lead, account_id: str) -> contacts_pb2.Contact:
    """The contact that a lead becomes."""
    return contacts_pb2.Contact(
        display_name=lead.display_name,
        accounts=[contacts_pb2.Contact.AccountLink(account_id=account_id)],
        job_title=lead.job_title,
        phone_numbers=[lead.phone_number] if lead.phone_number else [],
        emails=[lead.email] if lead.email else [],
        owner_id=lead.owner_id,
    )
