"""Rules on accounts and contacts, through the contract."""

from typing import Any

from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub

from tests.service.automating import SUCCEEDED, Rules, action, on, settled
from tests.service.running import Running


async def test_an_account_and_its_contacts_are_changed_by_rules(customer: Running) -> None:
    user = await customer.user()
    accounts: Any = AccountServiceStub(customer.channel)
    contacts: Any = ContactServiceStub(customer.channel)
    of_accounts, of_contacts = Rules(customer.channel, "accounts"), Rules(customer.channel, "contacts")
    rule = await of_accounts.active(
        user,
        action("changeStatus", status="DORMANT"),
        trigger=on("UPDATED", changed=("industry",)),
        filter="industry = 停业 AND kind = ORGANIZATION",
    )
    titled = await of_contacts.active(
        user, action("update", job_title="联系人 {{record.display_name}}"), filter="NOT job_title:*"
    )
    account = accounts_pb2.Account(display_name="华信电力", kind=accounts_pb2.Account.KIND_ORGANIZATION)
    made = await accounts.CreateAccount(accounts_pb2.CreateAccountRequest(account=account), metadata=user.metadata)
    changed = accounts_pb2.Account(id=made.id, industry="停业")
    await accounts.UpdateAccount(accounts_pb2.UpdateAccountRequest(account=changed), metadata=user.metadata)
    link = contacts_pb2.Contact.AccountLink(account_id=made.id)
    person = contacts_pb2.Contact(display_name="王伟", accounts=[link])
    contact = await contacts.CreateContact(contacts_pb2.CreateContactRequest(contact=person), metadata=user.metadata)
    await settled(customer, user.tenant_id)
    (run,) = await of_accounts.runs_of(user, rule)
    assert (run.state, [each.verb for each in run.effects]) == (SUCCEEDED, ["changeStatus"]), run
    read = await accounts.GetAccount(accounts_pb2.GetAccountRequest(id=made.id), metadata=user.metadata)
    assert read.status == accounts_pb2.Account.STATUS_DORMANT
    assert [each.record_id for each in await of_contacts.runs_of(user, titled)] == [contact.id]
    read = await contacts.GetContact(contacts_pb2.GetContactRequest(id=contact.id), metadata=user.metadata)
    assert read.job_title == "联系人 王伟"
