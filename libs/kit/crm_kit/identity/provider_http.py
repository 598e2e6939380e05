"""HTTP to OpenID providers: to their addresses only, bounded in time, size and number, following no redirect."""

import asyncio
import contextlib
import functools
import json
import ssl
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from crm_kit.errors import Unavailable

ANSWER_SECONDS = 5.0
MAX_ANSWER_BYTES = 256 * 1024
# Of one provider; whoever comes beyond is told to come again, so that a slow provider holds up itself alone.
MAX_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider says: the HTTP status and a JSON object."""

    status: int
    content: Mapping[str, Any]


class ProviderHttp:
    """Calls to providers. Each raises Unavailable when there is no answer that can be read."""

    def __init__(self, *, seconds: float = ANSWER_SECONDS) -> None:
        self._seconds = seconds
        self._running: Counter[str] = Counter()
        # The first client loads what all need and takes a tenth of a second: not while others wait for the loop.
        httpx.AsyncClient(verify=_trust())

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """The JSON object at an address."""
        answer = await self._call("GET", url, headers or {}, None)
        if answer.status != httpx.codes.OK:
            raise _silent()
        return answer.content

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """The answer to a form; a refusal (4xx) is one."""
        answer = await self._call("POST", url, headers, dict(form))
        if not (answer.status == httpx.codes.OK or httpx.codes.is_client_error(answer.status)):
            raise _silent()
        return answer

    async def _call(self, verb: str, url: str, headers: Mapping[str, str], form: dict[str, str] | None) -> Answer:
        # Uncoded: what is small on the wire must not grow here.
        headers = {"accept": "application/json", "accept-encoding": "identity", **headers}
        with self._place_at(urlsplit(url).netloc):
            try:
                async with (
                    asyncio.timeout(self._seconds),
                    httpx.AsyncClient(verify=_trust(), timeout=self._seconds, follow_redirects=False) as client,
                    client.stream(verb, url, headers=headers, data=form) as answer,
                ):
                    return Answer(answer.status_code, _object(await _body(answer)))
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, TypeError, RecursionError) as error:
                raise _silent() from error

    @contextlib.contextmanager
    def _place_at(self, host: str) -> Iterator[None]:
        if self._running[host] >= MAX_AT_ONCE:
            raise _silent()
        self._running[host] += 1
        try:
            yield
        finally:
            self._running[host] -= 1
            if not self._running[host]:
                del self._running[host]


async def _body(answer: httpx.Response) -> bytes:
    body = bytearray()
    async for part in answer.aiter_raw():
        body += part
        if len(body) > MAX_ANSWER_BYTES:
            raise ValueError("longer than anything a provider has to say")
    return bytes(body)


def _object(body: bytes) -> Mapping[str, Any]:
    content = json.loads(body)
    if not isinstance(content, dict):
        raise TypeError("not a JSON object")
    return content


@functools.cache
def _trust() -> ssl.SSLContext:
    """Made once: reading all certificates takes longer than a request."""
    return httpx.create_ssl_context()


def _silent() -> Unavailable:
    return Unavailable("the OpenID provider does not answer", retry_after_seconds=1)
