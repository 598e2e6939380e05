"""Calls to another service: the caller's token, request id and trace go along, and never more time than is left."""

import time
from typing import TypeVar
from uuid import UUID

import grpc
import structlog
from google.protobuf.message import Message

from crm_kit.errors import CrmError, NotFound, PermissionDenied, Unauthenticated, Unavailable
from crm_kit.identity.services import ServiceIdentity
from crm_kit.rpc.channels import ServiceChannel
from crm_kit.rpc.creations import Creation
from crm_kit.rpc.status import info_of
from crm_kit.telemetry import current

log = structlog.get_logger()
Response = TypeVar("Response", bound=Message)
# Without a caller's deadline: long enough for a slow write, short enough that nothing hangs.
DEFAULT_SECONDS = 10.0


class ServiceClient:
    """Calls one service as the user whose request this is, or in the name of this service, which `identity` proves."""

    def __init__(self, address: str, identity: ServiceIdentity | None = None, *, name: str = "") -> None:
        self._identity = identity
        self._channel = ServiceChannel(address, name=name)

    async def call(
        self,
        path: str,
        request: Message,
        response: type[Response],
        *,
        key: str = "",
        tenant_id: UUID | None = None,
        creation: Creation | None = None,
    ) -> Response:
        """Call `/crm.customer.v1.AccountService/GetAccount` as the user whose request this is.

        Or in the name of this service, when it is said for which tenant. `creation` says what it creates if nobody else
        did.

        Raises the error that the service gave, as one of ours; Unavailable when it does not answer in time.
        """
        info = current.get()
        authorization = info.authorization if tenant_id is None else self._own_authorization(path, tenant_id)
        seconds = DEFAULT_SECONDS if info.deadline is None else max(0.0, info.deadline - time.monotonic())
        sent = {
            "authorization": authorization,
            "x-request-id": info.request_id,
            "traceparent": info.trace_parent,
            "idempotency-key": key,
        } | (creation.metadata if creation else {})
        metadata = {name: value for name, value in sent.items() if value}
        try:
            reply = await self._channel.call(path, request.SerializeToString(), metadata=metadata, seconds=seconds)
        except grpc.aio.AioRpcError as error:
            raise passed_on(error, path) from error
        return response.FromString(reply.data)

    def _own_authorization(self, path: str, tenant_id: UUID) -> str:
        return "" if self._identity is None else self._identity.authorization(path, tenant_id)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


def passed_on(error: grpc.aio.AioRpcError, path: str) -> CrmError:
    """What a called service answered, as our error; its reason is kept, and its internal failures are not shown."""
    code, detail, info = error.code(), error.details() or "", info_of(error)
    known: dict[grpc.StatusCode, type[CrmError]] = {
        grpc.StatusCode.NOT_FOUND: NotFound,
        grpc.StatusCode.PERMISSION_DENIED: PermissionDenied,
        grpc.StatusCode.UNAUTHENTICATED: Unauthenticated,
    }
    for kind in CrmError.__subclasses__():
        known.setdefault(grpc.StatusCode[kind.code], kind)
    if code in known and info.reason:
        return known[code](detail, reason=info.reason, metadata=info.metadata)
    log.warning("peer.failed", method=path, code=code.name)
    return Unavailable("a service that this needs does not answer; try again", retry_after_seconds=1)
