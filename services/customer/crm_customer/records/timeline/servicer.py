"""TimelineService: from message to query and back, nothing else."""

from collections.abc import Iterable
from uuid import UUID

from crm.customer.v1 import timeline_pb2 as pb
from crm_kit.database.work import Reader
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build

from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.timeline.hidden import as_seen
from crm_customer.records.timeline.queries import entry_from, page_of
from crm_customer.records.timeline.wire import EventKind


class TimelineServicer:
    contract = pb.DESCRIPTOR.services_by_name["TimelineService"]

    def __init__(self, tokens: PageTokens, kinds: Iterable[EventKind]) -> None:
        self._tokens = tokens
        self._kinds = {each.kind: each for each in kinds}

    async def ListTimeline(self, request: pb.ListTimelineRequest, reader: Reader) -> pb.ListTimelineResponse:
        account = await ACCOUNTS.get(reader, UUID(request.account_id))
        page = await page_of(reader, request, self._tokens, account)
        return build(
            pb.ListTimelineResponse,
            entries=tuple(as_seen(entry_from(row), self._kinds, reader.actor.access) for row in page.rows),
            next_page_token=page.next_token,
            prev_page_token=page.prev_token,
        )
