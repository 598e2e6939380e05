"""Telephones of a desk: a channel, its adapter, and the agents whose extensions it has."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from crm.service_desk.v1 import calls_pb2 as pb
from crm.service_desk.v1 import channels_pb2
from crm.service_desk.v1.calls_pb2_grpc import CallServiceStub
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope
from crm_kit.wire import timestamp

from tests.service.running import Running, User
from tests.service.service_desk.desk import Desk
from tests.service.service_desk.intake import Intake

if TYPE_CHECKING:
    from crm.service_desk.v1.calls_pb2_grpc import CallServiceAsyncStub

Call = pb.Call
Event = pb.CallEvent
Channel = channels_pb2.Channel
INBOUND, OUTBOUND = Call.DIRECTION_INBOUND, Call.DIRECTION_OUTBOUND
OURS, CHENS = "+8675586661234", "+8613800138000"
# What an agent may do with their own calls.
AGENT = dict.fromkeys(("calls.read", "calls.write", "calls.dial", "accounts.read"), Scope.OWN)


@dataclass
class Telephony:
    """The telephones of a desk. The adapter may only tell of calls; `wang` has the extension 801, `li` 802."""

    intake: Intake
    wang: User
    li: User
    channel: Channel
    _sources: Any = field(default_factory=lambda: itertools.count(1))
    # An hour ago, so that nothing that follows lies ahead.
    began: datetime = field(default_factory=lambda: system_now() - timedelta(hours=1))

    @property
    def desk(self) -> Desk:
        return self.intake.desk

    @property
    def running(self) -> Running:
        return self.desk.running

    @property
    def calls(self) -> "CallServiceAsyncStub":
        return CallServiceStub(self.running.channel)

    def source(self) -> str:
        """What the telephone system calls a new call."""
        return f"17643200.{next(self._sources)}"

    def event(self, kind: str, source_id: str, second: float, **fields: Any) -> Event:
        """What happens to a call of Chen's, `second` seconds after the beginning; `out` for one of ours to them."""
        out = fields.pop("out", False)
        numbers = {"from_number": OURS if out else CHENS, "to_number": CHENS if out else OURS}
        values: dict[str, Any] = {
            "type": Event.Type.Value(f"TYPE_{kind}"),
            "source_id": source_id,
            "happen_time": timestamp(self.began + timedelta(seconds=second)),
            "direction": OUTBOUND if out else INBOUND,
        }
        return Event(**values | numbers | fields)

    async def tell(self, kind: str, source_id: str, second: float, *, by: User | None = None, **fields: Any) -> Call:
        """Tell of it as the adapter."""
        channel_id = fields.pop("channel_id", self.channel.id)
        request = pb.ReceiveCallEventRequest(channel_id=channel_id, event=self.event(kind, source_id, second, **fields))
        return await self.calls.ReceiveCallEvent(request, metadata=(by or self.intake.adapter).metadata)

    async def missed(self, second: float = 0, **fields: Any) -> Call:
        """A call that nobody answered."""
        source_id = self.source()
        await self.tell("RINGING", source_id, second, extension="801", **fields)
        return await self.tell("ENDED", source_id, second + 20, cause=Call.CAUSE_ABANDONED, **fields)

    async def talked(self, second: float = 0, extension: str = "801", **fields: Any) -> Call:
        """A call that an agent answered after five seconds, of a minute."""
        source_id = self.source()
        await self.tell("RINGING", source_id, second, extension=extension, **fields)
        await self.tell("ANSWERED", source_id, second + 5, extension=extension, **fields)
        return await self.tell("ENDED", source_id, second + 65, cause=Call.CAUSE_COMPLETED, **fields)

    async def get(self, call: Call, *, by: User | None = None) -> Call:
        return await self.calls.GetCall(pb.GetCallRequest(id=call.id), metadata=(by or self.desk.user).metadata)

    async def screen(self, call: Call, *, by: User | None = None) -> pb.CallScreen:
        request = pb.GetCallScreenRequest(id=call.id)
        return await self.calls.GetCallScreen(request, metadata=(by or self.desk.user).metadata)

    async def listed(self, filter: str = "", *, by: User | None = None) -> list[str]:
        """The ids of calls, the latest first."""
        page = await self.calls.ListCalls(pb.ListCallsRequest(filter=filter), metadata=(by or self.desk.user).metadata)
        return [each.id for each in page.calls]

    async def assign(self, call: Call, account_id: str, *, by: User | None = None, **fields: Any) -> Call:
        request = pb.AssignCallRequest(id=call.id, account_id=account_id, **fields)
        return await self.calls.AssignCall(request, metadata=(by or self.desk.user).metadata)

    async def dial(self, number: str = CHENS, *, by: User | None = None, key: str = "", **fields: Any) -> Call:
        user = by or self.wang
        request = pb.DialCallRequest(**{"channel_id": self.channel.id, "number": number} | fields)
        return await self.calls.DialCall(request, metadata=user.with_key(key) if key else user.metadata)


async def telephony_of(desk: Desk, **fields: Any) -> Telephony:
    """Telephones in the tenant of a desk; `fields` are those of the channel."""
    running, tenant_id = desk.running, desk.user.tenant_id
    intake = Intake(desk, await running.user(tenant_id, grants={"calls.receive": Scope.ALL}))
    wang, li = [await running.user(tenant_id, grants=AGENT, name=name) for name in ("王芳", "李强")]
    extensions = [
        Channel.Extension(extension=extension, user_id=str(user.id)) for extension, user in (("801", wang), ("802", li))
    ]
    values: dict[str, Any] = {
        "display_name": "客服热线",
        "kind": Channel.KIND_TELEPHONE,
        "addresses": [OURS],
        "extensions": extensions,
        "recording_hosts": ["recordings.example"],
    }
    channel = await intake.channel(**values | fields)
    return Telephony(intake, wang, li, channel)


def stands(call: Call) -> tuple[str, str]:
    """How far a call has come, and whether it is known whose it is."""
    state = Call.State.Name(call.state).removeprefix("STATE_")
    return state, Call.Match.Name(call.match).removeprefix("MATCH_")
