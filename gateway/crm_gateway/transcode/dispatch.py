"""The hot path: an HTTP request to a gRPC call and back, straight on ASGI."""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import grpc

from crm_gateway.admission import Admission
from crm_gateway.call_telemetry import CallTelemetry
from crm_gateway.channels import Call, Channels, Metadata, Reply
from crm_gateway.contract import SIGNED
from crm_gateway.exchange import Answer, Disconnected, Exchange, read_body
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.preconditions import etag_required
from crm_gateway.problems import Problem, ProblemError, is_too_large, malformed, response_too_large, without_labels
from crm_gateway.settings import Settings
from crm_gateway.transcode.inclusion import Found, Inclusion
from crm_gateway.transcode.operations import Operation
from crm_gateway.transcode.routes import Match, Routes, Undecodable, parse_template
from crm_gateway.transcode.views import View

_IDEMPOTENCY_KEY = re.compile(rb"[\x21-\x7e]{1,255}")
_VISIBLE = re.compile(rb"[\x20-\x7e]+")
_TRACE_PARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
_JSON_TYPE = re.compile(rb"application/(?:[a-z0-9.+-]+\+)?json(?:\s*;\s*charset=\"?utf-8\"?)?\s*", re.IGNORECASE)
_TIMEOUT = re.compile(rb"[0-9]{1,6}(?:\.[0-9]{1,3})?")
_WATCH_AFTER = 0.05  # seconds; most calls end sooner and need no watch on the client


class Dispatcher:
    """Serves the RPCs of a contract over REST."""

    def __init__(
        self,
        operations: Iterable[Operation],
        channels: Channels,
        admission: Admission,
        large: LargeAnswers,
        settings: Settings,
        others: Iterable[tuple[str, str]] = (),
    ) -> None:
        """`others`: verb and path of what is served elsewhere at paths of RPCs, or beside their custom verbs."""
        served = list(operations)
        self._calls: dict[Operation, Call] = {each: channels.call_of(each.rpc) for each in served}
        self._custom_verbs = _custom_verbs(served)
        self._routes = Routes((each.binding.verb, each.template, each) for each in served)
        labels_of = served[0].labels_of if served else without_labels
        self._others = Routes((verb, parse_template(path), None) for verb, path in others)
        self._inclusion = Inclusion({each.rpc for each in served}, channels, labels_of)
        self._admission = admission
        self._timeout = settings.request_timeout
        self._max_body = settings.max_body_bytes
        self._max_message = settings.max_message_bytes
        self._large = large
        self._telemetry = CallTelemetry(settings.trace_sample_ratio)

    def allowed(self, raw_path: str) -> tuple[str, ...]:
        """The verbs a path takes; none when no RPC is there."""
        match = self._match(raw_path)
        return () if match is None else self._verbs(match, raw_path)

    def near(self, raw_path: str) -> str:
        """The path of an RPC that looks like one where nothing is; empty where none does."""
        return self._routes.near(raw_path)

    def verbs(self, raw_path: str) -> list[str]:
        """The custom verbs that there are where one is asked for that there is not."""
        found = self._routes.verbs(raw_path)
        return sorted({*found, *self._others.verbs(raw_path)}) if found else []

    async def answer(self, exchange: Exchange) -> Answer | None:
        """The answer to a request; None when no RPC is at its path. Problems are raised as ProblemError."""
        raw_path = exchange.raw_path
        verb = exchange.verb
        served_as = "GET" if verb == "HEAD" else verb
        match = self._match(raw_path, served_as)
        if match is None:
            return None
        operation = match.targets.get(served_as)
        if operation is None:
            return None if served_as in self._beside(raw_path) else self._without_operation(verb, match, raw_path)
        exchange.route = operation.binding.template
        await self._admission.admit(exchange, public=operation.public, signed=operation.rpc.is_signed)
        view = operation.view(exchange.query)
        request = await self._request(operation, match.values, exchange)
        began = time.monotonic()
        reply = await self._call(operation, request, exchange)
        if operation.translate is not None:
            exchange.answer_headers += exchange.language_headers
        if view is None:
            answer = partial(operation.answer, reply, exchange)
            return await self._large.written(exchange, reply.size, answer, is_read=operation.rpc.is_read)
        beside = await self._include(operation, view, reply.message, exchange, began) if view.references else None
        seen = partial(operation.seen, reply, view, beside, exchange)
        size = reply.size if beside is None else reply.size + beside.size
        return await self._large.written(exchange, size, seen)

    def _match(self, raw_path: str, verb: str = "") -> Match[Operation] | None:
        try:
            return self._routes.match(raw_path, verb)
        except Undecodable:
            raise ProblemError(malformed("", "encoding", "path")) from None

    def _beside(self, raw_path: str) -> Iterable[str]:
        """The verbs that are served elsewhere at a path."""
        match = self._others.match(raw_path)
        return () if match is None else match.targets

    def _verbs(self, match: Match[Operation], raw_path: str) -> tuple[str, ...]:
        verbs = {*match.targets, *self._beside(raw_path), "OPTIONS"}
        return tuple(sorted(verbs | {"HEAD"} if "GET" in verbs else verbs))

    def _without_operation(self, verb: str, match: Match[Operation], raw_path: str) -> Answer:
        verbs = ", ".join(self._verbs(match, raw_path))
        allow = (b"allow", verbs.encode())
        if verb == "OPTIONS":
            return Answer(204, [allow])
        values, text = {"verbs": verbs}, ""
        custom = [name for each in match.targets.values() for name in self._custom_verbs.get(each.binding.template, ())]
        if custom:
            values["custom"] = ", ".join(sorted(set(custom)))
            text = "METHOD_NOT_ALLOWED.custom"
        raise ProblemError(Problem(405, "METHOD_NOT_ALLOWED", headers=[allow], values=values, text=text))

    async def _request(self, operation: Operation, values: tuple[str, ...], exchange: Exchange) -> Any:
        reader = operation.reader
        body: bytes | None = None
        if reader.takes_body:
            body = await read_body(exchange, self._max_body, self._timeout)
            if body:
                check_content_type(exchange.headers.get(b"content-type"))
            elif reader.body_optional:
                body = b"{}"
        signed = operation.rpc.is_signed
        request = reader.read(values, exchange.query, None if signed else body)
        if signed:
            put_signed(request, body or b"", exchange.headers)
        if_match = exchange.headers.get(b"if-match")
        if if_match is not None and not operation.rpc.is_read:
            _apply_if_match(operation, request, if_match)
        return request

    async def _include(self, operation: Operation, view: View, message: Any, exchange: Exchange, began: float) -> Found:
        """What the caller wants beside the answer, as far as it can be had in the time that is left."""
        assert operation.views is not None
        seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), self._timeout) - (time.monotonic() - began)
        records = operation.views.records(message)
        if any(each.of for each in view.references):
            exchange.answer_headers += exchange.language_headers
        return await self._inclusion.read(
            view.references, records, metadata_of(exchange), max(0.0, seconds), exchange.language
        )

    async def _call(self, operation: Operation, request: Any, exchange: Exchange) -> Reply:
        with self._telemetry.call(operation.rpc.path, trace_parent_of(exchange)) as trace_parent:
            return await self._call_traced(operation, request, exchange, trace_parent)

    async def _call_traced(self, operation: Operation, request: Any, exchange: Exchange, trace_parent: str) -> Reply:
        seconds = timeout_of(exchange.headers.get(b"x-request-timeout"), self._timeout)
        metadata = metadata_of(exchange, trace_parent)
        watch = _Watch(exchange)
        try:
            return await self._calls[operation](request, metadata, seconds)
        except grpc.aio.AioRpcError as error:
            if operation.rpc.is_read and is_too_large(error):
                raise ProblemError(response_too_large(self._max_message, operation.rpc.request)) from error
            raise ProblemError(operation.problem_of(error)) from error
        except asyncio.CancelledError:
            watch.raise_if_gone()
            raise
        finally:
            watch.stop()


class _Watch:
    """Cancels the task that made it when its client goes away; begins to look only once the call is slow."""

    __slots__ = ("_exchange", "_gone", "_later", "_task", "_watching")

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._task = asyncio.current_task()
        self._watching: asyncio.Task[None] | None = None
        self._gone = False
        self._later = asyncio.get_running_loop().call_later(_WATCH_AFTER, self._begin)

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while (await self._exchange.receive())["type"] != "http.disconnect":
            pass
        if self._task is not None:
            self._gone = True
            self._task.cancel()

    def raise_if_gone(self) -> None:
        """Raise Disconnected when it was this watch, and nobody else, that cancelled the task."""
        if self._gone and self._task is not None and not self._task.uncancel():
            raise Disconnected from None

    def stop(self) -> None:
        self._later.cancel()
        if self._watching is not None:
            self._watching.cancel()


def trace_parent_of(exchange: Exchange) -> str:
    """The client's W3C `traceparent`; an empty string without one that can be read."""
    sent = exchange.headers.get(b"traceparent", b"")
    return sent.decode() if _TRACE_PARENT.fullmatch(sent) else ""


def metadata_of(exchange: Exchange, trace_parent: str | None = None) -> Metadata:
    """What the services learn of the request besides its message; the client's trace unless another is given."""
    headers = exchange.headers
    metadata: Metadata = {"x-request-id": exchange.request_id, "x-client-address": exchange.client}
    if (authorization := headers.get(b"authorization")) is not None and _VISIBLE.fullmatch(authorization):
        metadata["authorization"] = authorization.decode()
    if (key := headers.get(b"idempotency-key")) is not None:
        if not _IDEMPOTENCY_KEY.fullmatch(key):
            raise ProblemError(malformed("Idempotency-Key", "format", "idempotency_key"))
        metadata["idempotency-key"] = key.decode()
    trace = trace_parent_of(exchange) if trace_parent is None else trace_parent
    if trace:
        metadata["traceparent"] = trace
    return metadata


def put_signed(request: Any, body: bytes, headers: Mapping[bytes, bytes]) -> None:
    """Put the body as it came into a request, and how it is signed; what is no text holds for nobody."""
    request.payload = body
    for name in SIGNED:
        setattr(request, name.replace("-", "_"), headers.get(name.encode(), b"").decode("ascii", "replace"))


def _custom_verbs(served: Iterable[Operation]) -> dict[str, list[str]]:
    """What may be posted to after a path, such as `:archive`, by the template of the path."""
    found: dict[str, list[str]] = {}
    for each in served:
        path, colon, name = each.binding.template.rpartition(":")
        if colon and each.binding.verb == "POST":
            found.setdefault(path, []).append(f":{name}")
    return found


def check_content_type(content_type: bytes | None) -> None:
    """Raise a 415 unless it says JSON."""
    if content_type is None or not _JSON_TYPE.fullmatch(content_type.strip()):
        raise ProblemError(Problem(415, "UNSUPPORTED_MEDIA_TYPE", values={"media_types": "application/json"}))


def _apply_if_match(operation: Operation, request: Any, if_match: bytes) -> None:
    etag = etag_required(if_match)
    if not operation.guarded:
        # Doing it without looking at the condition is what the header is there to prevent.
        raise ProblemError(malformed("If-Match", "unknown_field", "etag"))
    if etag is not None:
        operation.reader.put_etag(request, etag)


def timeout_of(header: bytes | None, longest: float) -> float:
    """Seconds the call may take: what the client asks for, at most what is set."""
    if header is None:
        return longest
    if not _TIMEOUT.fullmatch(header) or float(header) <= 0:
        raise ProblemError(malformed("X-Request-Timeout", "format", "timeout"))
    return min(longest, float(header))
