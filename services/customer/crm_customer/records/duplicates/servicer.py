"""DuplicateService: from message to finding and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import duplicates_pb2 as pb
from crm_kit.database.work import Reader
from crm_kit.ids import new_id
from crm_kit.resource.updates import values_of
from crm_kit.rpc.hidden_fields import check_hidden_fields

from crm_customer.records.accounts.model import Account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.duplicates.finding import find_duplicates
from crm_customer.records.duplicates.wire import found_to_pb


class DuplicateServicer:
    contract = pb.DESCRIPTOR.services_by_name["DuplicateService"]

    async def FindDuplicates(self, request: pb.FindDuplicatesRequest, reader: Reader) -> pb.FindDuplicatesResponse:
        finding = await find_duplicates(reader, drafted(reader, request.account))
        return pb.FindDuplicatesResponse(
            duplicates=map(found_to_pb, finding.duplicates), unseen_count=finding.unseen_count
        )

    async def FindAccountDuplicates(
        self, request: pb.FindAccountDuplicatesRequest, reader: Reader
    ) -> pb.FindAccountDuplicatesResponse:
        finding = await find_duplicates(reader, await ACCOUNTS.get(reader, UUID(request.id)))
        return pb.FindAccountDuplicatesResponse(
            duplicates=map(found_to_pb, finding.duplicates), unseen_count=finding.unseen_count
        )


def drafted(reader: Reader, draft: pb.AccountDraft) -> Account:
    """The account that a draft would become. InvalidArgument for what breaks a rule, or is hidden from the caller."""
    # The contract gives both the same fields.
    account = accounts_pb2.Account.FromString(draft.SerializeToString())
    check_hidden_fields(accounts_pb2.CreateAccountRequest(account=account), reader.actor.access)
    values = values_of(ACCOUNTS, account)
    new = Account(id=new_id(), create_time=reader.now, update_time=reader.now, **values)
    return new.checked(now=reader.now, region=reader.actor.access.default_region)
