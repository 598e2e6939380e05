"""Sending one message to an endpoint, and what comes back."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from crm_kit.clock import Now, system_now
from crm_kit.outbound_http.addresses import Reach
from crm_kit.outbound_http.client import OutboundHttp
from crm_kit.outbound_http.replies import OutboundError, Send
from crm_kit.webhook_signatures import headers_of

from crm_customer.integrations.webhook_endpoints.messages import Message, Outcome, waited_for

SECONDS = 15.0
MAX_ANSWER_BYTES = 4 * 1024
# Of an answer that are kept.
MAX_EXCERPT = 1000
HEADERS = {"content-type": "application/json", "user-agent": "Guanxi-Webhooks/1"}


Call = Callable[[str, Sequence[str], Message], Awaitable[Outcome]]


class Caller:
    """Calls endpoints within `reach`. Signed is by the system's time, which receivers compare with theirs."""

    def __init__(self, reach: Reach, *, now: Now = system_now, seconds: float = SECONDS) -> None:
        self._http = OutboundHttp(seconds=seconds, max_body_bytes=MAX_ANSWER_BYTES, reach=reach)
        self._now = now

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Call]:
        """Several calls to the same endpoint: each with its URL, the secrets that sign it, and the message."""
        async with self._http.session() as send:

            async def call(url: str, secrets: Sequence[str], message: Message) -> Outcome:
                return await self._call(send, url, secrets, message)

            yield call

    async def _call(self, send: Send, url: str, secrets: Sequence[str], message: Message) -> Outcome:
        body, began = message.body, time.monotonic()
        headers = {**HEADERS, **headers_of(message.id, body, secrets, now=self._now())}
        try:
            reply = await send("POST", url, headers, body)
        except OutboundError as error:
            return Outcome(milliseconds_since(began), error=error.failure)
        retry_after = waited_for(reply.headers.get("retry-after", ""), self._now())
        return Outcome(milliseconds_since(began), reply.status, body=excerpt(reply.body), retry_after=retry_after)


def milliseconds_since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


def excerpt(body: bytes) -> str:
    """The beginning of a body as text, without what a database cannot keep."""
    return body.decode("utf-8", "replace").replace("\0", "")[:MAX_EXCERPT]
