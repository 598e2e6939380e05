"""Which of several records can be read, asked through `crm.resource.v1` without reading them."""

from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

from tests.service.customer.customers import new_account
from tests.service.running import Running, refused


async def test_what_can_be_read_is_said_without_reading_it(customer: Running) -> None:
    user, accounts = await customer.user(), AccountServiceStub(customer.channel)
    resources = ResourceServiceStub(customer.channel)
    narrow = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.OWN})
    theirs, mine, archived = [await new_account(customer, by) for by in (user, narrow, narrow)]
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=archived.id), metadata=user.metadata)
    stranger = await new_account(customer, await customer.user())
    ids = [archived.id, stranger.id, theirs.id, mine.id.upper(), str(new_id())]
    request = generic.BatchCheckRecordsRequest(collection="accounts", ids=ids)
    seen_by = {
        each.id: [(one.id, list(one.hidden_fields)) for one in told.readable]
        for each in (user, narrow)
        if (told := await resources.BatchCheckRecords(request, metadata=each.metadata))
    }
    assert seen_by == {
        user.id: [(archived.id, []), (theirs.id, []), (mine.id.upper(), [])],
        narrow.id: [(archived.id, []), (mine.id.upper(), [])],
    }
    nobody = await customer.user(user.tenant_id, grants={})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await resources.BatchCheckRecords(request, metadata=nobody.metadata)
