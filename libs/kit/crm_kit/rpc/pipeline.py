"""What happens around every rpc, in one fixed order, whichever way the call came.

telemetry -> errors -> identity and tenant -> permission -> validation -> idempotency -> approval where a policy asks
for it -> the servicer's method -> names beside ids, without what is withheld -> commit

A method gets its request and either a reader (rpcs that only read) or a unit of work; it returns the answer, and
what it gathered is committed after it, together with the answer under the caller's idempotency key.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import structlog
from google.protobuf.message import DecodeError, Message
from opentelemetry.trace import StatusCode

from crm_kit import telemetry
from crm_kit.approvals.gate import Gate
from crm_kit.clock import Now, system_now
from crm_kit.composition import compose_texts, is_composed
from crm_kit.database.connections import Database
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import ReadSession, UnitOfWork, retried
from crm_kit.directory.access import Directory
from crm_kit.errors import CrmError, InvalidArgument, Unauthenticated
from crm_kit.identity.access import SERVICE_ACCESS, Actor, Scope
from crm_kit.identity.services import tenant_of_call
from crm_kit.identity.tokens import TokenVerifier
from crm_kit.ids import new_id
from crm_kit.resource.concealing import conceal
from crm_kit.resource.names import Names
from crm_kit.resource.storable import check_storable
from crm_kit.resource.validation import check_message
from crm_kit.resource.withholding import Withholding
from crm_kit.rpc.calls import Call, Handler, Reply
from crm_kit.rpc.counted_creations import count_creation
from crm_kit.rpc.counting import TooMuchError, count_fields
from crm_kit.rpc.creations import Creation, creation_of
from crm_kit.rpc.hidden_fields import check_hidden_fields
from crm_kit.rpc.idempotency import Answer, StoredResponse, checked_key
from crm_kit.rpc.methods import AUTHENTICATED, INTERNAL, PUBLIC, Method
from crm_kit.rpc.output_only import check_output_only
from crm_kit.rpc.showing import Showing
from crm_kit.rpc.status import DETAILS_KEY, grpc_code, status_of
from crm_kit.telemetry import RequestInfo

log = structlog.get_logger()
Run = Callable[[Any, Any], Awaitable[Message]]
REPLAYED = (("idempotent-replayed", "true"),)
BEARER = "bearer "
ANONYMOUS = Actor(SYSTEM_TENANT, SYSTEM_TENANT, SERVICE_ACCESS)
NOBODY: Mapping[str, bytes] = MappingProxyType({})
# A part of an upload has 1 MiB. What is parsed at once keeps others waiting: 2 MiB can be a million messages.
MAX_REQUEST_BYTES = 3 * 512 * 1024
# In a request, however deep. What is shorter than the other number is read in a few milliseconds whatever it holds.
MAX_FIELDS = 20_000
COUNTED_BYTES = 64 * 1024
# A longer request keeps its texts as they came: composing nothing but marks takes up to 0.4 ms a KiB.
COMPOSED_BYTES = 64 * 1024


class Pipeline:
    """Wraps the methods of servicers; one per process."""

    def __init__(
        self,
        service: str,
        database: Database,
        verifier: TokenVerifier,
        directory: Directory,
        names: Names,
        withholding: Withholding,
        gate: Gate,
        now: Now = system_now,
        *,
        service_keys: Mapping[str, bytes] = NOBODY,
    ) -> None:
        self._database = database
        self._verifier = verifier
        self._directory = directory
        self._showing = Showing(names, withholding)
        self._gate = gate
        self._now = now
        self._service_keys = service_keys
        self._metrics = telemetry.CallMetrics(service)

    def handler(self, method: Method, run: Run) -> Handler:
        """What serves a call of the method: the request's bytes to the response's, or to the error that came of it."""
        run = self._gate.around(method.path, run)
        if method.permission not in (INTERNAL, PUBLIC):
            run = self._showing.around(run, method.response)

        async def handle(call: Call) -> Reply:
            started = time.perf_counter()
            request = request_info(call)
            token = telemetry.current.set(request)
            code = "OK"
            try:
                answer = await self._traced(method, run, call, request)
                return Reply(answer.data, metadata=REPLAYED if answer.replayed else ())
            except CrmError as error:
                code = error.code
                return refusal(error, request.request_id)
            except asyncio.CancelledError:
                code = "CANCELLED"
                raise
            except Exception:
                # Whatever was not foreseen: the log knows it, the caller gets the request id and nothing else.
                code = "INTERNAL"
                log.exception("rpc.failed", method=method.path)
                return refusal(CrmError("an internal error; the request id finds it"), request.request_id)
            finally:
                telemetry.current.reset(token)
                self._metrics.record(method.path, code, time.perf_counter() - started)

        return handle

    async def _traced(self, method: Method, run: Run, call: Call, request: RequestInfo) -> Answer:
        if not telemetry.sampled(request.trace_parent):
            return await self._answer(method, run, call.data, call.metadata)
        with telemetry.span(method.path, request.trace_parent) as span:
            telemetry.current.set(request.below(telemetry.trace_parent_of(span)))
            try:
                return await self._answer(method, run, call.data, call.metadata)
            except Exception as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    async def _answer(self, method: Method, run: Run, data: bytes, metadata: Mapping[str, str]) -> Answer:
        actor = await self._actor(method, metadata)
        if method.permission_of is None:
            scope, request = scope_of(method.permission, actor), parsed(method, data)
        else:
            request = parsed(method, data)
            scope = scope_of(method.permission_of(request), actor)
        if b"\0" in data:
            check_storable(request)
        check_message(request)
        check_hidden_fields(request, actor.access)
        now = self._now() + actor.access.clock_offset
        if method.reads_only:
            response = await run(request, ReadSession(self._database, actor, scope=scope, now=now))
            return Answer(response.SerializeToString())
        key = checked_key(metadata.get("idempotency-key", "")) if method.keyed else ""
        creation = creation_of(metadata)

        def unit() -> UnitOfWork:
            return UnitOfWork(self._database, actor, scope=scope, now=now)

        if not key:
            return await retried(lambda: self._write(run, request, unit(), creation))
        stored = StoredResponse(self._database, actor, key, method, request)
        answer = await stored.answer(lambda: self._write(run, request, unit(), creation, stored))
        return as_seen_now(answer, method, actor) if answer.replayed else answer

    async def _actor(self, method: Method, metadata: Mapping[str, str]) -> Actor:
        if method.permission == PUBLIC:
            return ANONYMOUS
        header = metadata.get("authorization", "")
        if header[: len(BEARER)].lower() != BEARER:
            raise Unauthenticated("a bearer token is needed")
        token = header[len(BEARER) :].strip()
        if method.permission == INTERNAL:
            tenant_id = tenant_of_call(token, method.path, self._service_keys, method.callers)
            return await self._directory.service(tenant_id)
        return await self._directory.actor(await self._verifier.verify(token))

    async def _write(
        self,
        run: Run,
        request: Message,
        work: UnitOfWork,
        creation: Creation | None,
        stored: StoredResponse | None = None,
    ) -> Answer:
        """Run the method and commit what it gathered, with the answer under the key when there is one."""
        if creation is not None:
            work.before_commit.append(partial(count_creation, creation=creation))
        try:
            answer = await run(request, work)
            check_output_only(request, answer)
            response = answer.SerializeToString()
            if stored is not None:
                stored.remember(work, answer, response)
            await work.commit()
            return Answer(response)
        finally:
            await work.close()


def as_seen_now(answer: Answer, method: Method, actor: Actor) -> Answer:
    """An earlier answer without what has been hidden from the caller since."""
    if not actor.access.hidden:
        return answer
    message = method.response.FromString(answer.data)
    conceal(actor.access, [message])
    return replace(answer, data=message.SerializeToString())


def scope_of(permission: str | Sequence[str], actor: Actor) -> Scope:
    """Whose records a call with this permission, or the first granted of several, may touch; else PermissionDenied."""
    names = [permission] if isinstance(permission, str) else permission
    if names[0] in {PUBLIC, AUTHENTICATED}:
        return Scope.ALL
    return actor.access.scope(next(filter(actor.access.may, names), names[0]))


def parsed(method: Method, data: bytes) -> Message:
    """The request's message, its texts composed."""
    if len(data) > MAX_REQUEST_BYTES:
        raise InvalidArgument(f"the request is larger than {MAX_REQUEST_BYTES} bytes")
    if len(data) > COUNTED_BYTES:
        try:
            count_fields(data, method.request, MAX_FIELDS)
        except TooMuchError:
            raise InvalidArgument(f"the request has more than {MAX_FIELDS} fields and entries of lists") from None
    try:
        request = method.request.FromString(data)
    except DecodeError as error:
        raise InvalidArgument(f"the request is not a {method.request.DESCRIPTOR.full_name}") from error
    if len(data) <= COMPOSED_BYTES and not is_composed(data):
        compose_texts(request)
    return request


def request_info(call: Call) -> RequestInfo:
    """The ids of this request, made here when the caller sent none, and what calls to others pass on."""
    metadata = call.metadata
    return RequestInfo(
        request_id=metadata.get("x-request-id") or str(new_id()),
        trace_parent=metadata.get("traceparent", ""),
        authorization=metadata.get("authorization", ""),
        deadline=None if call.seconds is None else time.monotonic() + call.seconds,
        client_address=metadata.get("x-client-address", ""),
    )


def refusal(error: CrmError, request_id: str) -> Reply:
    """The error as a reply; nothing internal is in it."""
    status = status_of(error, request_id)
    return Reply(code=grpc_code(error), detail=status.message, metadata=((DETAILS_KEY, status.SerializeToString()),))
