"""HTTP to OpenID providers: to their addresses only, bounded in time, size and number, following no redirect."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from crm_kit.errors import Unavailable
from crm_kit.outbound_http.addresses import Reach
from crm_kit.outbound_http.client import OutboundHttp
from crm_kit.outbound_http.replies import OutboundError, Reply

ANSWER_SECONDS = 5.0
MAX_ANSWER_BYTES = 256 * 1024
FORM = "application/x-www-form-urlencoded"
# Of one provider; whoever comes beyond is told to come again, so that a slow provider holds up itself alone.
MAX_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider says: the HTTP status and a JSON object."""

    status: int
    content: Mapping[str, Any]


class ProviderHttp:
    """Calls to providers at addresses within `reach`. Each raises Unavailable when nothing comes that can be read."""

    def __init__(self, reach: Reach, *, seconds: float = ANSWER_SECONDS) -> None:
        self._http = OutboundHttp(seconds=seconds, max_body_bytes=MAX_ANSWER_BYTES, reach=reach)
        self._running: Counter[str] = Counter()

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """The JSON object at an address."""
        answer = await self._call("GET", url, headers or {})
        if answer.status != HTTPStatus.OK:
            raise _silent()
        return answer.content

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """The answer to a form; a refusal (4xx) is one."""
        answer = await self._call("POST", url, {"content-type": FORM, **headers}, urlencode(form).encode())
        if not (answer.status == HTTPStatus.OK or 400 <= answer.status < 500):
            raise _silent()
        return answer

    async def _call(self, verb: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        with self._place_at(urlsplit(url).netloc):
            try:
                reply = await self._http.send(verb, url, {"accept": "application/json", **headers}, body)
                return Answer(reply.status, _object(reply))
            except (OutboundError, ValueError, TypeError, RecursionError) as error:
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


def _object(reply: Reply) -> Mapping[str, Any]:
    if not reply.whole:
        raise ValueError("longer than anything a provider has to say")
    content = json.loads(reply.body)
    if not isinstance(content, dict):
        raise TypeError("not a JSON object")
    return content


def _silent() -> Unavailable:
    return Unavailable("the OpenID provider does not answer", retry_after_seconds=1)
