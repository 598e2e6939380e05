"""Which IP addresses a call to the outside may reach."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# The registry of special addresses (RFC 6890), what is multicast or reserved, and what clouds answer their machines at.
_NOT_PUBLIC_IPV4 = tuple(
    IPv4Network(each)
    for each in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
# What is routed at all, and within it what is for documents, or leads to an IPv4 address by way of others.
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
# A network without IPv4 shows the IPv4 addresses of the world below this one.
_NAT64 = IPv6Network("64:ff9b::/96")
LOOPBACK: tuple[Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
ANYWHERE: tuple[Network, ...] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))


@dataclass(frozen=True, slots=True)
class Reach:
    """The public addresses, and those of the networks that somebody who runs the platform has named besides."""

    networks: tuple[Network, ...] = ()

    def allows(self, address: Address) -> bool:
        """Whether a call may go there; by the IPv4 address, where an IPv6 address stands for one."""
        plain = ipv4_within(address) or address
        return is_public(plain) or any(plain in network for network in self.networks)


def reach_of(networks: Iterable[str], *, loopback: bool) -> Reach:
    """The public addresses and these networks; ValueError for what is none. `loopback`: this very machine, too."""
    named = tuple(ip_network(each) for each in networks)
    return Reach((*named, *LOOPBACK) if loopback else named)


def is_public(address: Address) -> bool:
    """Whether the world can reach it."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_IPV4)
    return address in _PUBLIC_IPV6 and not any(address in network for network in _NOT_PUBLIC_IPV6)


def ipv4_within(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address is another spelling of, as `::ffff:127.0.0.1` is."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped
