"""The outermost ASGI application: RPCs go to the dispatcher, all else to the FastAPI application behind it.

Every answer, whoever gives it, leaves with request id, security headers and CORS; every failure is a problem document.
"""

import contextlib

import structlog
from crm_kit.errors import CrmError

from crm_gateway.access_log import AccessLog
from crm_gateway.compression import accepts_gzip, coded, gzipped, is_worth_it
from crm_gateway.exchange import (
    EXCHANGE_KEY,
    Answer,
    App,
    Body,
    Disconnected,
    Exchange,
    Headers,
    Receive,
    Scope,
    Send,
    open_exchange,
)
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.problems import MEDIA_TYPE, Problem, ProblemError, from_crm_error, internal
from crm_gateway.settings import Settings
from crm_gateway.shares import AddressShare
from crm_gateway.transcode.dispatch import Dispatcher

logger = structlog.get_logger(__name__)
# Of a body so much is handed to the connection at a time; with more under way it waits for its client.
PIECE_BYTES = 64 * 1024
_SECURITY: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
_ALLOWED_HEADERS = (
    b"accept-language, authorization, content-type, idempotency-key, if-match, if-none-match, if-range, last-event-id, "
    b"range, traceparent, tus-resumable, upload-length, upload-metadata, upload-offset, x-request-id, x-request-timeout"
)
_EXPOSED_HEADERS = (
    b"accept-ranges, content-disposition, content-range, etag, idempotent-replayed, location, ratelimit-limit, "
    b"ratelimit-remaining, ratelimit-reset, retry-after, tus-extension, tus-resumable, tus-version, upload-expires, "
    b"upload-length, upload-offset, x-request-id"
)


class Front:
    """ASGI application of the gateway."""

    def __init__(self, dispatcher: Dispatcher, fallback: App, large: LargeAnswers, settings: Settings) -> None:
        self._addresses = AddressShare(settings.max_connections_per_peer, settings.bounds.proxies)
        self._access_log = AccessLog(settings.access_log)
        self._dispatcher = dispatcher
        self._fallback = fallback
        self._large = large
        self._origins = frozenset(origin.encode() for origin in settings.cors_allowed_origins)
        self._vary = (b"vary", b"Accept-Encoding, Origin" if self._origins else b"Accept-Encoding")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._fallback(scope, receive, send)
            return
        exchange = open_exchange(scope, receive)
        try:
            # Nobody is told of a client that has gone.
            with contextlib.suppress(Disconnected):
                await self._serve(exchange, send)
        finally:
            exchange.give_back()
            self._access_log.ended(exchange)

    async def _serve(self, exchange: Exchange, send: Send) -> None:
        answer = await self._answer(exchange)
        if answer is not None:
            await self._send(exchange, answer, send)
            return
        inner = {**exchange.scope, EXCHANGE_KEY: exchange}
        if exchange.verb == "HEAD":
            inner["method"] = "GET"
        decorated = self._decorated(exchange, send)
        try:
            await self._fallback(inner, exchange.receive, decorated)
        finally:
            # Where the application behind has put the route that it found.
            exchange.route = getattr(inner.get("route"), "path", "")
        if exchange.goes_on is not None:
            del inner
            await exchange.goes_on(decorated)

    async def _answer(self, exchange: Exchange) -> Answer | None:
        try:
            self._addresses.take(exchange)
            return self._preflight(exchange) or await self._dispatcher.answer(exchange)
        except ProblemError as error:
            return problem_answer(error.problem, exchange)
        except CrmError as error:
            return problem_answer(from_crm_error(error), exchange)
        except Disconnected:
            raise
        except Exception:
            logger.exception("request failed", request_id=exchange.request_id, verb=exchange.verb)
            return problem_answer(internal(), exchange)

    def _preflight(self, exchange: Exchange) -> Answer | None:
        """The answer to a CORS preflight, for any path: whether it exists shows at the request itself."""
        headers = exchange.headers
        if exchange.verb != "OPTIONS" or b"access-control-request-method" not in headers:
            return None
        if not self._is_allowed(headers.get(b"origin")):
            return None
        verbs = self._dispatcher.allowed(exchange.raw_path) or ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
        return Answer(
            204,
            [
                (b"access-control-allow-methods", ", ".join(verbs).encode()),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-max-age", b"600"),
            ],
        )

    def _is_allowed(self, origin: bytes | None) -> bool:
        return origin is not None and (origin in self._origins or b"*" in self._origins)

    def _common(self, exchange: Exchange) -> Headers:
        headers = [*_SECURITY, (b"x-request-id", exchange.request_id.encode()), self._vary, *exchange.answer_headers]
        if self._origins:
            origin = exchange.headers.get(b"origin")
            if origin is not None and self._is_allowed(origin):
                headers.append((b"access-control-allow-origin", origin))
                if origin in self._origins:
                    # For the cookie of a session; an origin that is allowed by * alone gets none.
                    headers.append((b"access-control-allow-credentials", b"true"))
                headers.append((b"access-control-expose-headers", _EXPOSED_HEADERS))
        return headers

    async def _send(self, exchange: Exchange, answer: Answer, send: Send) -> None:
        exchange.status = answer.status
        headers, body = [*answer.headers, *self._common(exchange)], answer.body
        if answer.status not in (204, 304):
            headers.append((b"content-length", b"%d" % len(body)))
            headers, body = await _coded_if_wanted(exchange, headers, body)
        self._large.hold(exchange, len(body))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await _in_pieces(send, {"type": "http.response.body", "body": b"" if exchange.verb == "HEAD" else body})

    def _decorated(self, exchange: Exchange, send: Send) -> Send:
        """Passes an application's events on, with our headers; a body that comes in one piece may be coded."""
        waiting: Scope = {}

        async def decorated(event: Scope) -> None:
            if event["type"] == "http.response.start":
                exchange.status = event["status"]
                start = {**event, "headers": [*event.get("headers", ()), *self._common(exchange)]}
                if b"content-length" in dict(start["headers"]):
                    waiting.update(start)
                else:
                    await send(start)
                return
            body: Body = event.get("body", b"")
            if waiting:
                start = dict(waiting)
                waiting.clear()
                if not event.get("more_body"):
                    start["headers"], body = await _coded_if_wanted(exchange, start["headers"], body)
                await send(start)
            self._large.hold(exchange, len(body))
            await _in_pieces(send, {**event, "body": b"" if exchange.verb == "HEAD" else body})

        return decorated


async def _in_pieces(send: Send, event: Scope) -> None:
    """Send a body as its client takes it in: the exchange, and the places it has, last until that is done."""
    body: Body = event["body"]
    last = max(len(body) - 1, 0) // PIECE_BYTES * PIECE_BYTES
    for start in range(0, last, PIECE_BYTES):
        await send({**event, "body": body[start : start + PIECE_BYTES], "more_body": True})
    await send({**event, "body": body[last:]})


async def _coded_if_wanted(exchange: Exchange, headers: Headers, body: Body) -> tuple[Headers, Body]:
    if not is_worth_it(headers, len(body)) or not accepts_gzip(exchange.headers.get(b"accept-encoding")):
        return headers, body
    body = await gzipped(body)
    return coded(headers, len(body)), body


def problem_answer(problem: Problem, exchange: Exchange) -> Answer:
    """A problem as an answer, in the caller's language."""
    exchange.reason, exchange.peer = problem.reason, problem.peer
    headers = [
        (b"content-type", MEDIA_TYPE),
        *exchange.language_headers,
        (b"cache-control", b"no-store"),
        *problem.all_headers(),
    ]
    body = problem.body(instance=exchange.raw_path, request_id=exchange.request_id, language=exchange.language)
    return Answer(problem.status, headers, body)
