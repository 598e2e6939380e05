"""A network of our own on this machine: a bridge, and a namespace with one address of 127.77.0.0/16 for each pod.

Nothing of it can be reached from outside, and all of it is gone with the last process that lives in it.
"""

import asyncio
import ctypes
import os
import subprocess
from pathlib import Path

from crm_local.failure import LocalFailure

NODE = "127.77.0.1"
PODS = "127.77.0.0/16"
FIRST_POD, FIRST_SERVICE = 256, 255 * 256
NAMESPACES = Path("/run/netns")
NEW_MOUNTS, NEW_NETWORK = 0x20000, 0x40000000
RECURSIVE, PRIVATE = 16384, 1 << 18
# Addresses of the loopback range, on a wire: the loopback device itself keeps one of them only.
LOOPBACK = """
ip link set lo up
ip addr del 127.0.0.1/8 dev lo
ip addr add 127.0.0.1/32 dev lo
echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
"""


def enter_own_network() -> None:
    """Let this process, and all that it starts, live in a network of its own. Before any thread is started."""
    if os.geteuid() != 0:
        raise LocalFailure("namespaces for pods need root: run this as root, in a container that may make them")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_MOUNTS | NEW_NETWORK) < 0:
        reason = os.strerror(ctypes.get_errno())
        raise LocalFailure(f"this machine lets nobody make namespaces, and pods need them: unshare: {reason}")
    libc.mount(b"none", b"/", None, RECURSIVE | PRIVATE, None)
    NAMESPACES.mkdir(parents=True, exist_ok=True)
    libc.mount(b"tmpfs", str(NAMESPACES).encode(), b"tmpfs", 0, None)
    shell(f"{LOOPBACK}\nip link add pods type bridge\nip addr add {NODE}/16 dev pods\nip link set pods up")


def address(number: int) -> str:
    """The address with this number on the network."""
    return f"127.77.{number // 256}.{number % 256}"


async def add_pod(number: int) -> Path:
    """A namespace with the address of this number; the file that stands for it."""
    name, third, last = f"pod{number}", number // 256, number % 256
    inside = f"""{LOOPBACK}
ip addr add {address(number)}/16 dev eth0
ip link set eth0 up
"""
    # The same hardware address whenever it is this address: nobody has to learn it anew.
    await asyncio.to_thread(
        shell,
        f"""ip netns add {name}
ip link add v{number} type veth peer name eth0 netns {name} address 02:00:7f:4d:{third:02x}:{last:02x}
ip link set v{number} master pods up
ip netns exec {name} sh -ec '{inside}'
""",
    )
    return NAMESPACES / name


async def remove_pod(number: int) -> None:
    """Its address is nobody's any more."""
    await asyncio.to_thread(shell, f"ip netns del pod{number}")


async def add_service(number: int) -> None:
    """An address of the node for a service."""
    await asyncio.to_thread(shell, f"ip addr add {address(number)}/32 dev pods")


def shell(script: str) -> None:
    """Run commands of ours; LocalFailure with what the first that failed says."""
    done = subprocess.run(  # noqa: S603 -- fixed commands; what varies is a number
        ["/bin/sh", "-ec", script], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LocalFailure(f"the network of the pods could not be made: {done.stderr.strip() or done.stdout.strip()}")
