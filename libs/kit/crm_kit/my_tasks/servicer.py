"""MyTaskService: what waits for the caller in all collections of one service."""

from collections.abc import Mapping
from typing import Any

from crm.resource.v1 import my_tasks_pb2 as pb
from crm.resource.v1.tasks_pb2 import ListTasksResponse

from crm_kit.database.work import Reader
from crm_kit.listing import PageOf
from crm_kit.my_tasks.queries import count_mine, list_behind, place_behind, reached_by, tasks_reached
from crm_kit.paging import PageTokens
from crm_kit.tasks.place import Place
from crm_kit.wire import id_from, time_from


class MyTaskServicer:
    contract = pb.DESCRIPTOR.services_by_name["MyTaskService"]

    def __init__(self, places: Mapping[str, Place], tokens: PageTokens) -> None:
        self._places = places
        self._tokens = tokens

    async def FindMyTasks(self, request: pb.FindMyTasksRequest, reader: Reader) -> pb.FindMyTasksResponse:
        reached = reached_by(reader.actor.access, self._places)
        after_id, timed = id_from(request.after_id), request.HasField("after_deadline_time")
        listing = list_behind(reached, place_behind(after_id, timed=timed))
        binds: dict[str, Any] = {} if after_id is None else {"after_id": after_id}
        if after_id is not None and timed:
            binds["after_deadline"] = time_from(request.after_deadline_time)
        asked = PageOf(request.page_size, "", request.filter, order_by="deadline_time")
        response, tasks = ListTasksResponse, tasks_reached(reached)
        page = await tasks.list(reader, asked, response, self._tokens, listing=listing, binds=binds)
        return pb.FindMyTasksResponse(tasks=page.tasks, has_more=bool(page.next_page_token))

    async def CountMyTasks(self, _: pb.CountMyTasksRequest, reader: Reader) -> pb.CountMyTasksResponse:
        counted = await count_mine(reader, reached_by(reader.actor.access, self._places))
        return pb.CountMyTasksResponse(open_count=counted[0], overdue_count=counted[1], today_count=counted[2])
