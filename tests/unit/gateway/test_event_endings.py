"""After which events whose streams end."""

import pytest
from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import tenants_pb2, users_pb2
from crm.event.v1 import event_pb2
from crm_gateway.streams.endings import Identity, ending_of
from google.protobuf.message import Message

ME = Identity("tenant", "me", "here")
MY_OTHER_SESSION, COLLEAGUE = Identity("tenant", "me", "there"), Identity("tenant", "colleague")
ALL = {ME, MY_OTHER_SESSION, COLLEAGUE}
USER = users_pb2.User(id="me")


@pytest.mark.parametrize(
    ("payload", "reason", "ended"),
    [
        (events.SessionEnded(session_id="here", user_id="me"), "SESSION_ENDED", {ME}),
        (events.UserPasswordSet(user=USER), "SESSION_ENDED", {ME, MY_OTHER_SESSION}),
        (events.UserDeactivated(user=USER), "USER_DEACTIVATED", {ME, MY_OTHER_SESSION}),
        (events.TenantUpdated(tenant=tenants_pb2.Tenant(active=False)), "USER_DEACTIVATED", ALL),
    ],
)
def test_streams_end_with_the_right_to_read(payload: Message, reason: str, ended: set[Identity]) -> None:
    ending = ending_of(told(payload))
    assert ending is not None
    assert ending.reason == reason
    assert {each for each in ALL if ending.concerns(each)} == ended


@pytest.mark.parametrize(
    "payload",
    [
        events.UserUpdated(user=USER),
        events.UserActivated(user=USER),
        events.TenantUpdated(tenant=tenants_pb2.Tenant(active=True)),
        events.AccountCreated(),
    ],
)
def test_they_go_on_after_all_other_events(payload: Message) -> None:
    assert ending_of(told(payload)) is None


def told(payload: Message) -> event_pb2.Event:
    event = event_pb2.Event()
    event.payload.Pack(payload)
    return event
