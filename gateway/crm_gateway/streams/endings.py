"""Events after which somebody may not go on reading: their streams end before they tell anything else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crm.customer.v1 import events_pb2 as events
from google.protobuf.message import Message

from crm_gateway.streams.told import Event, full_name_of


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose a stream is: the user with their tenant, by ids, and the session, where there is one."""

    tenant_id: str
    user_id: str
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Ending:
    """The streams of a session, of a user, or of the whole tenant end."""

    reason: str
    user_id: str = ""
    session_id: str = ""

    def concerns(self, identity: Identity) -> bool:
        """Whether a stream of the tenant ends."""
        if self.session_id:
            return identity.session_id == self.session_id
        return self.user_id in ("", identity.user_id)


def _of_session(payload: Any) -> Ending | None:
    return Ending("SESSION_ENDED", session_id=payload.session_id)


def _of_user(payload: Any) -> Ending | None:
    return Ending("USER_DEACTIVATED", user_id=payload.user.id)


def _of_password(payload: Any) -> Ending | None:
    return Ending("SESSION_ENDED", user_id=payload.user.id)


def _of_tenant(payload: Any) -> Ending | None:
    return None if payload.tenant.active else Ending("USER_DEACTIVATED")


_ENDINGS: Mapping[type[Message], Callable[[Any], Ending | None]] = {
    events.SessionEnded: _of_session,
    events.UserDeactivated: _of_user,
    # A new password ends the sessions of the old one.
    events.UserPasswordSet: _of_password,
    events.TenantUpdated: _of_tenant,
}
_BY_NAME = {payload.DESCRIPTOR.full_name: (payload, ending) for payload, ending in _ENDINGS.items()}


def ending_of(event: Event) -> Ending | None:
    """Whose streams of the event's tenant end by it; None for nearly all events."""
    found = _BY_NAME.get(full_name_of(event))
    if found is None:
        return None
    payload, ending = found
    return ending(payload.FromString(event.payload.value))
