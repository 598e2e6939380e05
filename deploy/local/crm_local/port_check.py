"""Whether ports are free, and free ones to take."""

import contextlib
import random
import socket
from collections.abc import Iterable

import psutil

from crm_local.failure import LocalFailure
from crm_local.settings import HOST, PROCESSES, Ports, port_setting

# Below what the system hands out to outgoing connections, so that none of those comes in between.
FREE_RANGE = range(15_000, 30_000)


def refuse_busy(ports: Ports, processes: Iterable[str]) -> None:
    """Raises LocalFailure naming each port that another program has, who wants it and what to set."""
    busy = [
        f"port {ports.of(name)}, which {name} wants, is taken{_by_whom(ports.of(name))}:"
        f" stop that or set {port_setting(name)} to another port"
        for name in processes
        if not is_free(ports.of(name))
    ]
    if busy:
        raise LocalFailure("\n".join(busy))


def is_free(port: int) -> bool:
    """Whether one can listen at `port`. Not with SO_REUSEPORT: then two gRPC servers would share it."""
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((HOST, port))
        except OSError:
            return False
    return True


def free_ports() -> Ports:
    """Ports that are free now, different for every caller by chance."""
    candidates = iter(random.SystemRandom().sample(FREE_RANGE, k=len(FREE_RANGE)))
    free = (port for port in candidates if is_free(port))
    return Ports(*(next(free) for _ in PROCESSES))


def _by_whom(port: int) -> str:
    """Who listens there, as far as this user may know."""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
