"""Which addresses and URLs calls to the outside may have, beside what Python's registry of special addresses says."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from crm_kit.outbound_http.addresses import ANYWHERE, LOOPBACK, Reach, is_public, reach_of
from crm_kit.outbound_http.urls import is_outbound_url
from hypothesis import given
from hypothesis import strategies as st

PUBLIC = Reach()


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_nothing_is_public_that_the_registry_calls_otherwise(address: IPv4Address | IPv6Address) -> None:
    if is_public(address):
        assert address.is_global
        assert not address.is_multicast
        assert not address.is_private


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_within_an_ipv6_address_is_no_way_around(address: IPv4Address) -> None:
    spellings = [
        IPv6Address(f"::ffff:{address}"),
        IPv6Address(int(IPv6Address("64:ff9b::")) | int(address)),
    ]
    assert {PUBLIC.allows(each) for each in spellings} == {PUBLIC.allows(address)}
    # As nobody uses them any more.
    assert not PUBLIC.allows(IPv6Address(int(IPv6Address("2002::")) | int(address) << 80))
    assert not PUBLIC.allows(IPv6Address(f"::{address}"))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.168.1.1",
        "198.18.0.1",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "4000::1",
    ],
)
def test_what_leads_inside_is_not_public(text: str) -> None:
    assert not PUBLIC.allows(ip_address(text))
    assert Reach(ANYWHERE).allows(ip_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "1.1.1.1",
        "9.255.255.255",
        "100.63.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "223.255.255.255",
        "2400:3200::1",
        "2606:4700:4700::1111",
        "64:ff9b::101:101",
        "::ffff:1.1.1.1",
    ],
)
def test_the_rest_of_the_world_is_public(text: str) -> None:
    assert PUBLIC.allows(ip_address(text))


def test_named_networks_may_be_reached_besides_in_either_spelling_and_no_others() -> None:
    reach = reach_of(["10.1.0.0/16", "fd12::/16"], loopback=False)
    assert [reach.allows(ip_address(each)) for each in ("10.1.2.3", "::ffff:10.1.2.3", "fd12::1", "8.8.8.8")] == [
        True
    ] * 4
    assert [reach.allows(ip_address(each)) for each in ("10.2.0.1", "127.0.0.1", "::1", "fd13::1")] == [False] * 4
    assert reach_of([], loopback=True) == Reach(LOOPBACK)
    with pytest.raises(ValueError, match=r"10\.1\.0\.0/33"):
        reach_of(["10.1.0.0/33"], loopback=False)


@pytest.mark.parametrize(
    ("url", "always", "in_development"),
    [
        ("https://erp.example/hooks?a=b", True, True),
        ("https://erp.example:443/", True, True),
        ("https://erp.example:8443/", True, True),
        ("https://1.1.1.1/", True, True),
        ("https://[2606:4700::1]/", True, True),
        # Where these lead is found when they are called.
        ("https://localhost/", True, True),
        ("https://[::ffff:127.0.0.1]/", True, True),
        ("http://127.0.0.1:8080/", False, True),
        ("http://localhost:8080/", False, True),
        ("http://[::1]:8080/", False, True),
        ("http://erp.example/", False, False),
        ("https://erp.example:25/", False, False),
        ("https://erp.example:22/", False, False),
        ("https://erp.example:0/", False, False),
        ("https://erp.example:65536/", False, False),
        ("https://0x7f.1/", False, False),
        ("https://0x7f000001/", False, False),
        ("https://2130706433/", False, False),
        ("https://0177.0.0.1/", False, False),
        ("https://127.1/", False, False),
        ("https://1.2.3.4.5/", False, False),
        ("https://[fe80::1%25eth0]/", False, False),
        ("https://user:pass@erp.example/", False, False),
        ("https://@erp.example/", False, False),
        ("https://erp.example/#part", False, False),
        ("https://erp.example\\@127.0.0.1/", False, False),
        ("https://erp.example/ path", False, False),
        ("https://erp.example/\nhost: x", False, False),
        ("https://电力.example/", False, False),
        ("https://", False, False),
        ("https:erp.example", False, False),
        ("ftp://erp.example/", False, False),
        ("gopher://erp.example/", False, False),
        ("file:///etc/passwd", False, False),
    ],
)
def test_urls_are_https_in_the_usual_spelling(url: str, always: bool, in_development: bool) -> None:
    assert is_outbound_url(url, loopback=False) is always
    assert is_outbound_url(url, loopback=True) is in_development
