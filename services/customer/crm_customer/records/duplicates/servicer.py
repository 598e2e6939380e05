"""DuplicateService: from message to finding and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import duplicates_pb2 as pb
from crm_kit.database.work import Reader
from crm_kit.ids import new_id
from crm_kit.resource.updates import values_of

from crm_customer.records.accounts.model import Account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.duplicates.finding import find_duplicates
from crm_customer.records.duplicates.wire import found_to_pb


class DuplicateServicer:
    contract = pb.DESCRIPTOR.services_by_name["DuplicateService"]

    async def FindDuplicates(self, request: pb.FindDuplicatesRequest, reader: Reader) -> pb.FindDuplicatesResponse:
        draft = Account(
            id=new_id(), create_time=reader.now, update_time=reader.now, **values_of(ACCOUNTS, request.account)
        )
        checked = draft.checked(now=reader.now, region=reader.actor.access.default_region)
        finding = await find_duplicates(reader, checked)
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
