"""TimelineService: from message to query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import timeline_pb2 as pb
from crm_kit.database.work import Reader
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import to_field

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.timeline.queries import LISTING, entry_from

ENTRIES = pb.ListTimelineResponse.DESCRIPTOR.fields_by_name["entries"]


class TimelineServicer:
    contract = pb.DESCRIPTOR.services_by_name["TimelineService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def ListTimeline(self, request: pb.ListTimelineRequest, reader: Reader) -> pb.ListTimelineResponse:
        account = await ACCOUNTS.get(reader, UUID(request.account_id))
        rows, next_token = await LISTING.page(reader, request, self._tokens, account_id=account.id)
        entries = to_field(tuple(map(entry_from, rows)), ENTRIES)
        return pb.ListTimelineResponse(entries=entries, next_page_token=next_token)
