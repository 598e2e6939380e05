"""TimelineService: from message to query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import timeline_pb2 as pb
from crm_kit.database.work import Reader
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.timeline.queries import entry_from, page_of


class TimelineServicer:
    contract = pb.DESCRIPTOR.services_by_name["TimelineService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def ListTimeline(self, request: pb.ListTimelineRequest, reader: Reader) -> pb.ListTimelineResponse:
        account = await ACCOUNTS.get(reader, UUID(request.account_id))
        page = await page_of(reader, request, self._tokens, account)
        return build(
            pb.ListTimelineResponse,
            entries=tuple(map(entry_from, page.rows)),
            next_page_token=page.next_token,
            prev_page_token=page.prev_token,
        )
