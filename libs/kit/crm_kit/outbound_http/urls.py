"""Which URLs others may name for calls to them."""

import ipaddress
from urllib.parse import SplitResult, urlsplit

HTTPS_PORT = 443
# Below it are the ports of other protocols, which would take a request for commands of theirs.
FIRST_FREE_PORT = 1024


def is_outbound_url(url: str, *, loopback: bool) -> bool:
    """Whether a call may go to this URL: https, or http on this very machine where `loopback` allows it.

    Not with a user or password in it, a fragment, another protocol's port, or an address in a spelling of its own, such
    as `0x7f.1`. Where the name leads is not asked here: that may be different with each call.
    """
    parts = _parts(url)
    if parts is None or not parts.hostname or parts.username is not None or not is_host(parts.hostname):
        return False
    if loopback and is_loopback(parts.hostname):
        return parts.scheme in {"https", "http"}
    return parts.scheme == "https" and (parts.port in {None, HTTPS_PORT} or (parts.port or 0) >= FIRST_FREE_PORT)


def _parts(url: str) -> SplitResult | None:
    if not (url.isascii() and url.isprintable()) or set(url) & set(" \\#"):
        return None
    try:
        parts = urlsplit(url)
        # Reading it is what checks it.
        return None if parts.port == 0 else parts
    except ValueError:
        return None


def is_host(host: str) -> bool:
    """Whether it is a name, or an address as it is written everywhere; none that only some programs read as one."""
    last = host.rstrip(".").rpartition(".")[2].lower()
    if ":" not in host and not (last.isdigit() or last.startswith("0x")):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return "%" not in host


def is_loopback(host: str) -> bool:
    """Whether a host, as a URL has it, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
