"""Looking up where a name leads."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from ipaddress import ip_address

from crm_kit.outbound_http.addresses import Address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
# Of their own: a name server that does not answer keeps a thread for half a minute, and nothing else is to wait for it.
# More than there are hosts that a process asks for in that time.
_THREADS = ThreadPoolExecutor(max_workers=512, thread_name_prefix="resolving")
_UNDER_WAY: dict[tuple[str, int], Future[Sequence[Address]]] = {}


async def resolve(host: str, port: int) -> Sequence[Address]:
    """All addresses of a host, in the order in which they are to be tried. OSError when there are none.

    Who asks for a host that is being asked for waits for that answer: however many calls go there, one thread is kept.
    """
    asked = _UNDER_WAY.get((host, port))
    if asked is None:
        asked = _UNDER_WAY[host, port] = _THREADS.submit(_ask, host, port)
        asked.add_done_callback(lambda _: _UNDER_WAY.pop((host, port), None))
    answer = asyncio.wrap_future(asked)
    # Whoever waits no longer neither takes the answer from the others nor leaves behind an error that nobody has seen.
    answer.add_done_callback(lambda each: each.cancelled() or each.exception())
    await asyncio.wait([answer])
    return answer.result()


def _ask(host: str, port: int) -> Sequence[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(str(each[4][0])) for each in found))
