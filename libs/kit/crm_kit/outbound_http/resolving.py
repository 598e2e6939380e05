"""Looking up where a name leads."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address

from crm_kit.outbound_http.addresses import Address

Resolve = Callable[[str, int], Awaitable[Sequence[Address]]]
# Of their own: a name server that does not answer keeps a thread for seconds, and nothing else is to wait for it.
_THREADS = ThreadPoolExecutor(max_workers=64, thread_name_prefix="resolving")


async def resolve(host: str, port: int) -> Sequence[Address]:
    """All addresses of a host, in the order in which they are to be tried. OSError when there are none."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(_THREADS, ask)
    return list(dict.fromkeys(ip_address(str(each[4][0])) for each in found))
