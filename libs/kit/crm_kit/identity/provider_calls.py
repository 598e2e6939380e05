"""One HTTP call to an OpenID provider. Imported by `provider_http` when the first is made."""

import asyncio
import functools
import json
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

MAX_ANSWER_BYTES = 256 * 1024


async def call(
    verb: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None, *, seconds: float
) -> tuple[int, Mapping[str, Any]] | None:
    """The status and the JSON object that came back; None when nothing came that can be read."""
    # Uncoded: what is small on the wire must not grow here.
    headers = {"accept": "application/json", "accept-encoding": "identity", **headers}
    try:
        async with (
            asyncio.timeout(seconds),
            httpx.AsyncClient(verify=trust(), timeout=seconds, follow_redirects=False) as client,
            client.stream(verb, url, headers=headers, data=form) as answer,
        ):
            return answer.status_code, _object(await _body(answer))
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, TypeError, RecursionError):
        return None


@functools.cache
def trust() -> ssl.SSLContext:
    """Whom providers' certificates may come from. Made once: reading all certificates takes longer than a request."""
    return httpx.create_ssl_context()


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
