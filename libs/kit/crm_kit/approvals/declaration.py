"""What can be approved: a verb of a resource, declared in its room."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.options.v1 import options_pb2
from google.protobuf.message_factory import GetMessageClass

from crm_kit.approvals.policies.model import Measured
from crm_kit.database.work import Reader
from crm_kit.labels import Label, verb_label
from crm_kit.resource.actions import Verb
from crm_kit.resource.reach import Reach
from crm_kit.resource.values import DeclarationError
from crm_kit.resource.writing import Resource

ID = "id"
ETAG = "etag"


@dataclass(frozen=True, slots=True, eq=False)
class Approvable:
    """A verb that tenants may have approved.

    `rpc`: the verb's, marked `approvable` in the contract. All that it does becomes true with its unit of work: it is
    run to see whether it could take effect, and runs again when it does.
    `measure`: what a policy goes by, of the record, None when there is none that the caller sees, and the request; None
    for what never needs approval, such as a limit that is lowered. Pure.
    `owner`: who owns the record now.
    `seen`: which approvals are of records that a scope reaches (`of_records`, `of_owned_account`).
    `record_id`: the field of the request that names the record.
    `by_request`: whether what is measured depends on the request; where not, it is measured by an empty one, to tell
    before anything is asked for whether approval is needed.
    `has_discount`: whether a discount is measured, so that rows of a policy may have a bound of it.

    DeclarationError where it does not fit the contract.
    """

    resource: Resource[Any, Any]
    rpc: str
    measure: Callable[[Any, Any], Measured | None]
    owner: Callable[[Reader, UUID], Awaitable[UUID | None]]
    seen: Reach
    record_id: str = ID
    by_request: bool = True
    has_discount: bool = False

    def __post_init__(self) -> None:
        method = self._method
        if not method.GetOptions().Extensions[options_pb2.approvable]:
            raise DeclarationError(f"{self.rpc}: mark it (crm.options.v1.approvable) in the contract")
        for name in (self.record_id, ETAG):
            if name not in method.input_type.fields_by_name:
                raise DeclarationError(f"{self.rpc}: its request has no {name}, by which the record is named")

    @property
    def _method(self) -> Any:
        file = self.resource.message_type.DESCRIPTOR.file
        for service in file.services_by_name.values():
            if self.rpc in service.methods_by_name:
                return service.methods_by_name[self.rpc]
        raise DeclarationError(f"{self.rpc}: {file.name} has no such rpc")

    @property
    def path(self) -> str:
        """As gRPC names the rpc."""
        return f"/{self._method.containing_service.full_name}/{self.rpc}"

    @property
    def verb(self) -> Verb:
        """Its name in paths and the permission that it needs."""
        return self.resource.verbs[self.rpc]

    @property
    def label(self) -> Label:
        """What people call it."""
        return verb_label(self.verb.name, self._method.GetOptions())

    @property
    def request(self) -> type[Any]:
        """What it is asked."""
        return GetMessageClass(self._method.input_type)

    def record_of(self, request: Any) -> UUID:
        """The record that a request names."""
        return UUID(getattr(request, self.record_id))
