"""Whether people may be approached over a channel, and since when."""

from crm.customer.v1 import accounts_pb2, contacts_pb2, tenants_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.customer.v1.tenants_pb2_grpc import TenantServiceStub
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import open_company
from tests.service.customer.customers import new_account, new_contact
from tests.service.running import Running, User

DENIED = accounts_pb2.Consent(channel="SMS", state=accounts_pb2.Consent.STATE_DENIED)
GRANTED = accounts_pb2.Consent(channel="SMS", state=accounts_pb2.Consent.STATE_GRANTED)
MASK = FieldMask(paths=["consents"])


async def in_a_week(customer: Running) -> User:
    """The administrator of a sandbox whose clock is a week ahead."""
    sandbox = await open_company(customer, sandbox=True)
    request = tenants_pb2.AdvanceTestClockRequest(duration=Duration(seconds=7 * 86_400))
    await TenantServiceStub(customer.channel).AdvanceTestClock(request, metadata=sandbox.admin.metadata)
    return sandbox.admin


async def test_what_an_account_said_without_a_time_it_said_at_the_tenants_time_of_the_request(
    customer: Running,
) -> None:
    user = await in_a_week(customer)
    account = await new_account(customer, user, consents=[DENIED])
    assert account.consents[0].change_time == account.create_time
    changed = accounts_pb2.Account(id=account.id, consents=[GRANTED])
    request = accounts_pb2.UpdateAccountRequest(account=changed, update_mask=MASK)
    updated = await AccountServiceStub(customer.channel).UpdateAccount(request, metadata=user.metadata)
    assert updated.consents[0].change_time == updated.update_time


async def test_what_a_contact_said_without_a_time_they_said_at_the_tenants_time_of_the_request(
    customer: Running,
) -> None:
    user = await in_a_week(customer)
    account = await new_account(customer, user)
    contact = await new_contact(customer, user, account.id, consents=[DENIED])
    assert contact.consents[0].change_time == contact.create_time
    changed = contacts_pb2.Contact(id=contact.id, consents=[GRANTED])
    request = contacts_pb2.UpdateContactRequest(contact=changed, update_mask=MASK)
    updated = await ContactServiceStub(customer.channel).UpdateContact(request, metadata=user.metadata)
    assert updated.consents[0].change_time == updated.update_time
