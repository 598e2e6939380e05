"""What jobs can call on the records of each collection, and the calls, made as a caller makes them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from crm.options.v1 import options_pb2
from google.protobuf.message import Message

from crm_kit.automation.requests import NO_RECORD, check_literal, literal_request
from crm_kit.automation.watched import Call, calls_of
from crm_kit.custom_fields.definitions import definitions_of
from crm_kit.custom_fields.model import CustomField
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import invalid_field
from crm_kit.identity.access import Actor, Scope
from crm_kit.resource.writing import Resource
from crm_kit.rpc.hidden_fields import check_hidden_fields
from crm_kit.rpc.output_only import check_output_only

Run = Callable[[Any, Any], Awaitable[Message]]
Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True, eq=False)
class Changeable:
    """A collection whose records jobs can change. `runs` are the methods of rpcs by path, as callers reach them."""

    resource: Resource[Any, Any]
    calls: Mapping[str, Call]
    runs: Mapping[str, Run]

    @property
    def collection(self) -> str:
        return self.resource.collection

    def call_of(self, verb: str) -> Call:
        """What a verb calls. InvalidArgument for one that jobs cannot call here."""
        if verb not in self.calls:
            choices = ", ".join(sorted(self.calls))
            raise invalid_field("verb", "string.in", f"must be one of {choices}", metadata={"choices": choices})
        return self.calls[verb]

    def scope_of(self, actor: Actor, call: Call) -> Scope:
        """Whose records somebody may do this to. PermissionDenied where they may not read or not do it at all."""
        actor.access.scope(self.resource.permission)
        return actor.access.scope(call.permission)

    def answers_for_all(self, actor: Actor, verb: str) -> bool:
        """Whether somebody may do this to all records of the collection."""
        call = self.calls.get(verb)
        if call is None or not actor.access.may(call.permission):
            return False
        return actor.access.scope(call.permission) is Scope.ALL

    async def check(self, reader: Reader, call: Call, content: Fields) -> None:
        """InvalidArgument for what no record can be asked, and for fields that are hidden from the reader."""
        custom: Mapping[str, CustomField] = {}
        if self.resource.has_custom:
            custom = (await definitions_of(reader, self.collection, fresh=True)).fields
        check_literal(self.resource, call, content, custom, place="request")
        check_hidden_fields(self.request_of(call, content, record_id=str(NO_RECORD)), reader.actor.access)

    def request_of(self, call: Call, content: Fields, *, record_id: str) -> Message:
        """What the rpc is asked of a record. InvalidArgument for what it never can be."""
        return literal_request(self.resource, call, content, record_id=record_id)

    async def run(self, work: UnitOfWork, call: Call, request: Message) -> Message:
        """Gather what the call does; its errors are the rpc's."""
        check_hidden_fields(request, work.actor.access)
        check_hidden_fields(request, work.actor.access)
        answer = await self.runs[call.path](request, work)
        check_output_only(request, answer)
        return answer


def changeable_among(resources: Iterable[Resource[Any, Any]], runs: Mapping[str, Run]) -> dict[str, Changeable]:
    """The collections with an rpc that jobs may call, by name."""
    found = (Changeable(each, calls_of(each, options_pb2.automatable, options_pb2.bulk), runs) for each in resources)
    return {each.collection: each for each in found if each.calls}
