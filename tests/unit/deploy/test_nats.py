"""What the broker's rights say of each service."""

import re
from importlib.resources import files
from pathlib import Path

from crm_kit.events.subjects import subjects_of
from crm_local.settings import GATEWAY, SERVICES
from google.protobuf.descriptor_pb2 import FileDescriptorSet

AUTHORIZATION = Path(__file__).resolve().parents[3] / "deploy" / "nats" / "authorization.conf"


def users_of_the_broker() -> list[tuple[str, str, str]]:
    """Name, variable of the password and rights of each but the operator."""
    return re.findall(r"\{\s+user: (\w+), password: \$(\w+)\n(.*?)\n    \}\n", AUTHORIZATION.read_text(), re.DOTALL)


def test_each_service_has_the_same_rights_about_its_own_name_and_no_others() -> None:
    every = users_of_the_broker()
    assert [(name, password) for name, password, _ in every] == [
        (process, f"CRM_NATS_{process.upper()}_PASSWORD") for process in (*SERVICES, GATEWAY)
    ]
    users = [each for each in every if each[0] != GATEWAY]
    # But for the stream itself, which one of them may change, and for the reader by which it tells webhook endpoints.
    changes = re.compile(r', "\$JS\.API\.STREAM\.UPDATE\.CRM"|\n *("[^"]+_webhooks[.>]*",? ?)+(?=\n)')
    assert [name for name, _, rights in users if changes.search(rights)] == ["customer"]
    assert len({changes.sub("", rights).replace(name, "SERVICE") for name, _, rights in users}) == 1
    for name, _, rights in users:
        assert [other for other in SERVICES if other != name and other in rights] == []


def test_the_gateway_gets_at_no_reader_of_a_service() -> None:
    (rights,) = [rights for name, _, rights in users_of_the_broker() if name == GATEWAY]
    allowed, denied = rights.split("deny:")
    assert "crm.events" not in allowed
    own = [reader for service in SERVICES for reader in (service, f"{service}_automation")]
    for reader in (*own, "customer_webhooks"):
        assert f'"$JS.API.CONSUMER.*.CRM.{reader}", "$JS.API.CONSUMER.MSG.NEXT.CRM.{reader}"' in denied


def test_every_event_of_the_contract_may_be_told() -> None:
    """By the service whose package it is in, or by all where it is the same for every service's records."""
    image = FileDescriptorSet.FromString(files("crm_protos").joinpath("image.binpb").read_bytes())
    events = [file for file in image.file if file.name.startswith("crm/") and file.name.endswith("/events.proto")]
    tellers = {
        subjects_of(f"{file.package}.{message.name}").split(".")[2] for file in events for message in file.message_type
    }
    assert tellers == {*SERVICES, "resource"}
    assert AUTHORIZATION.read_text().count('"crm.events.resource.*.*"') == len(SERVICES)
