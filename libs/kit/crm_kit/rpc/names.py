"""Where the replicas of a service are: `host:port` or `dns:///host:port` looked up, `ipv4:a:1,b:2` as it stands."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

Resolve = Callable[[str], Awaitable[frozenset[str]]]
DNS = ("dns:///", "dns:")
LISTS = ("ipv4:", "ipv6:")


def literal(target: str) -> frozenset[str] | None:
    """The addresses that a target spells out; None when it is a name that has to be looked up."""
    for scheme in LISTS:
        if target.startswith(scheme):
            return frozenset(each.strip() for each in target.removeprefix(scheme).split(","))
    if target.startswith("unix:"):
        return frozenset((target,))
    host, port = host_and_port(target)
    try:
        return frozenset((joined(str(ipaddress.ip_address(host)), port),))
    except ValueError:
        return None


async def look_up(target: str) -> frozenset[str]:
    """The addresses that a name has now; OSError when it has none or nobody knows."""
    host, port = host_and_port(target)
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return frozenset(joined(str(address[0]), port) for _, _, _, _, address in found)


def host_and_port(target: str) -> tuple[str, str]:
    """`dns:///customer:7000` -> `customer`, `7000`."""
    for scheme in DNS:
        target = target.removeprefix(scheme)
    host, _, port = target.rpartition(":")
    return host.strip("[]"), port


def joined(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
