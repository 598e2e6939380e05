"""Which addresses an OpenID provider may have."""

import ipaddress
from urllib.parse import urlsplit


def is_provider_url(url: str, *, loopback: bool) -> bool:
    """Whether a provider may have this address: https, or http on this very machine where `loopback` allows it."""
    try:
        parts = urlsplit(url)
        # Reading it is what checks it.
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        return False
    plain = url.isascii() and url.isprintable() and not set(url) & set(" \\#")
    if not (plain and parts.hostname and port_is_one) or parts.username is not None:
        return False
    return parts.scheme == "https" or (loopback and parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str) -> bool:
    """Whether a host, as a URL has it, is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
