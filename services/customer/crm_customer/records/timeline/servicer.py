"""TimelineService: from message to query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import timeline_pb2 as pb
from crm_kit.database.work import Reader
from crm_kit.paging import PageTokens

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.timeline.queries import LISTING, entry_from
from crm_customer.records.timeline.wire import entry_to_pb


class TimelineServicer:
    contract = pb.DESCRIPTOR.services_by_name["TimelineService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def ListTimeline(self, request: pb.ListTimelineRequest, reader: Reader) -> pb.ListTimelineResponse:
        account = await ACCOUNTS.get(reader, UUID(request.account_id))
        page = await LISTING.page(reader, request, self._tokens, account_id=account.id)
        entries = [entry_to_pb(entry_from(row)) for row in page.rows]
        return pb.ListTimelineResponse(
            entries=entries, next_page_token=page.next_token, prev_page_token=page.prev_token
        )
