"""HTTP to OpenID providers: to their addresses only, bounded in time, size and number, following no redirect."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from crm_kit.errors import Unavailable

ANSWER_SECONDS = 5.0
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

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        """The JSON object at an address."""
        answer = await self._call("GET", url, headers or {}, None)
        if answer.status != HTTPStatus.OK:
            raise _silent()
        return answer.content

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Answer:
        """The answer to a form; a refusal (4xx) is one."""
        answer = await self._call("POST", url, headers, form)
        if not (answer.status == HTTPStatus.OK or 400 <= answer.status < 500):
            raise _silent()
        return answer

    async def _call(self, verb: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None) -> Answer:
        with self._place_at(urlsplit(url).netloc):
            await asyncio.to_thread(_load)
            from crm_kit.identity.provider_calls import call

            answer = await call(verb, url, headers, form, seconds=self._seconds)
            if answer is None:
                raise _silent()
            return Answer(*answer)

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


def _load() -> None:
    """Load what calls take: 8 MB and a tenth of a second, which only those need who have providers."""
    from crm_kit.identity.provider_calls import trust

    trust()


def _silent() -> Unavailable:
    return Unavailable("the OpenID provider does not answer", retry_after_seconds=1)
