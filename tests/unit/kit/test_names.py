"""Where replicas are: targets that spell out addresses, and names that are looked up."""

import pytest
from crm_kit.rpc.names import literal, look_up


@pytest.mark.parametrize(
    ("target", "addresses"),
    [
        ("127.0.0.1:7001", {"127.0.0.1:7001"}),
        ("[::1]:7001", {"[::1]:7001"}),
        ("dns:///10.0.0.1:7000", {"10.0.0.1:7000"}),
        ("ipv4:10.0.0.1:7000,10.0.0.2:7000", {"10.0.0.1:7000", "10.0.0.2:7000"}),
        ("ipv6:[::1]:1,[::1]:2", {"[::1]:1", "[::1]:2"}),
        ("unix:/run/customer.sock", {"unix:/run/customer.sock"}),
    ],
)
def test_an_address_stands_for_itself(target: str, addresses: set[str]) -> None:
    assert set(literal(target) or ()) == addresses


@pytest.mark.parametrize("target", ["customer:7000", "dns:///customer:7000", "customer.crm.svc.cluster.local:7000"])
def test_a_name_has_to_be_looked_up(target: str) -> None:
    assert literal(target) is None


async def test_this_machine_is_found_by_its_name() -> None:
    assert await look_up("dns:///localhost:7000") <= {"127.0.0.1:7000", "[::1]:7000"}
    assert await look_up("localhost:7000")


async def test_a_name_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(OSError, match=r"."):
        await look_up("dns:///no-such-service.invalid:7000")
