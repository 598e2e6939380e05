"""A webhook endpoint: an address of another program that is told what happens, and by whose rights."""

import enum
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from crm_kit.errors import InvalidArgument, invalid_field, wrong_state
from crm_kit.outbound_http.addresses import Reach
from crm_kit.outbound_http.urls import is_outbound_url
from crm_kit.thin_events.model import EventType

# The type of what automation rules send.
CALLED = "automation.webhook"
NOUN = "webhook_endpoint"
# What an endpoint is told of deliveries would be deliveries.
NOT_TOLD = frozenset({"webhook_deliveries"})
# How far a job is, once a second: streams tell it, endpoints are told that it began and ended.
NOT_TOLD_TYPES = frozenset({"job.advanced"})
# Whoever changes one of these has it hear by their own rights: nobody has another's read what they have not seen.
HEARING = ("url", "event_types", "collections")
# What happens after it was disabled is noted for so long, and can be replayed.
NOTED_FOR = timedelta(days=14)
# So long nothing arrives, then it is disabled.
FAILING_FOR = timedelta(days=3)


class State(enum.StrEnum):
    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    ARCHIVED = "ARCHIVED"


class DisableReason(enum.StrEnum):
    REQUESTED = "REQUESTED"
    GONE = "GONE"
    FAILING = "FAILING"
    LOST_RIGHTS = "LOST_RIGHTS"


@dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    display_name: str
    url: str
    activator_id: UUID
    secret_time: datetime
    create_time: datetime
    update_time: datetime
    version: int = 1
    event_types: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    state: State = State.ENABLED
    disable_reason: DisableReason | None = None
    disable_time: datetime | None = None
    failing_since_time: datetime | None = None

    @property
    def secret(self) -> str | None:
        """Kept elsewhere, and shown by the answer alone that made it."""
        return None

    @property
    def is_enabled(self) -> bool:
        return self.state is State.ENABLED

    def update(self, values: Mapping[str, Any], *, by: UUID) -> "WebhookEndpoint":
        """With new values of some fields, by somebody, by whose rights it hears if they change what or where."""
        self._require("changed", State.ENABLED, State.DISABLED)
        changed = replace(self, **values)
        return replace(changed, activator_id=by) if changed.hears_other_than(self) else changed

    def hears_other_than(self, before: "WebhookEndpoint") -> bool:
        """Whether it is told other things than before, or elsewhere."""
        return any(getattr(self, name) != getattr(before, name) for name in HEARING)

    def enable(self, *, by: UUID) -> "WebhookEndpoint":
        """ENABLED, by the rights of who says so."""
        self._require("enabled", State.DISABLED)
        fresh = replace(self, disable_reason=None, disable_time=None, failing_since_time=None)
        return replace(fresh, state=State.ENABLED, activator_id=by)

    def disable(self, reason: DisableReason, *, now: datetime) -> "WebhookEndpoint":
        """DISABLED, for whatever reason."""
        self._require("disabled", State.ENABLED)
        return replace(self, state=State.DISABLED, disable_reason=reason, disable_time=now)

    def rotate(self, *, now: datetime) -> "WebhookEndpoint":
        """With a secret that was made now."""
        self._require("given a new secret", State.ENABLED, State.DISABLED)
        return replace(self, secret_time=now)

    def archive(self, *, now: datetime) -> "WebhookEndpoint":
        """ARCHIVED."""
        self._require("archived", State.ENABLED, State.DISABLED)
        stopped = self.disable(DisableReason.REQUESTED, now=now) if self.is_enabled else self
        return replace(stopped, state=State.ARCHIVED)

    def restore(self) -> "WebhookEndpoint":
        """DISABLED, as it was before or as it became by being archived."""
        self._require("restored", State.ARCHIVED)
        return replace(self, state=State.DISABLED)

    def require_sending(self, done: str) -> None:
        """ILLEGAL_STATE for something to be `done` that takes an endpoint which is told what happens."""
        self._require(done, State.ENABLED)

    def require_present(self, done: str) -> None:
        """ILLEGAL_STATE for something to be `done` that takes an endpoint which is not archived."""
        self._require(done, State.ENABLED, State.DISABLED)

    def _require(self, done: str, *legal: State) -> None:
        if self.state not in legal:
            raise wrong_state(NOUN, self.state, done, legal=legal)

    # --- what it hears

    def hears(self, type: EventType) -> bool:
        """Whether it is told of events of this type."""
        return type.name in self.event_types or type.collection in self.collections

    def notes(self, happened: datetime) -> bool:
        """Whether what happened then is noted: while it is enabled, and for a time afterwards."""
        return self.is_enabled or (self.disable_time is not None and happened < self.disable_time + NOTED_FOR)

    def checked(self, types: Iterable[EventType], *, loopback: bool) -> "WebhookEndpoint":
        """The endpoint itself. InvalidArgument for an address that is none, and for events that are not told.

        `loopback`: whether it may be on this very machine, without TLS, as in development.
        """
        if not is_outbound_url(self.url, loopback=loopback):
            detail = (
                "must be an https address without user, password and fragment, at port 443 or one from 1024 on, "
                "with its host written as a name or as an address usually is"
            )
            raise invalid_field(f"{NOUN}.url", "webhook_url", detail)
        types = tuple(types)
        told = [each for each in types if is_told(each)]
        require_told(f"{NOUN}.event_types", self.event_types, types)
        require_known(f"{NOUN}.event_types", "webhook_event_type", self.event_types, {each.name for each in told})
        require_known(f"{NOUN}.collections", "webhook_collection", self.collections, {each.collection for each in told})
        if not (self.event_types or self.collections):
            detail = "name types of events, or collections: it would be told nothing"
            raise invalid_field(f"{NOUN}.event_types", "nothing_told", detail)
        return self


def is_told(type: EventType) -> bool:
    """Whether endpoints are told of such events.

    Not of what roles have no say in, as everybody's own notifications, and not of what people may keep to themselves.
    """
    is_everybodys = "." in type.permission and not type.may_be_private
    return is_everybodys and type.collection not in NOT_TOLD and type.name not in NOT_TOLD_TYPES


def check_replayed(event_types: Iterable[str], types: Iterable[EventType]) -> None:
    """InvalidArgument for a type of event that is never sent, so that a slip does not look as if there were nothing."""
    types = tuple(types)
    require_told("event_types", event_types, types)
    sent = {each.name for each in types if is_told(each)} | {CALLED}
    require_known("event_types", "webhook_event_type", event_types, sent)


def require_told(field: str, named: Iterable[str], types: Sequence[EventType]) -> None:
    """InvalidArgument for the first type that there is and that streams alone tell."""
    streamed = {each.name for each in types} - {each.name for each in types if is_told(each)}
    for index, name in enumerate(named):
        if name in streamed:
            detail = f"streams alone tell of {name}, and no endpoint is told"
            raise invalid_field(f"{field}[{index}]", "webhook_streamed", detail, metadata={"value": name})


def require_reach(url: str, reach: Reach) -> None:
    """InvalidArgument for an address, written as one, that no call may reach.

    Where a name leads shows with each call.
    """
    try:
        address = ip_address(urlsplit(url).hostname or "")
    except ValueError:
        return
    if not reach.allows(address):
        detail = f"{address} is no public address, and none that calls may reach"
        raise invalid_field(f"{NOUN}.url", "webhook_address", detail, metadata={"value": str(address)})


def require_known(field: str, rule: str, named: Iterable[str], known: Collection[str]) -> None:
    """InvalidArgument for the first name that is not known, with the one that may be meant."""
    for index, name in enumerate(named):
        if name not in known:
            raise unknown(f"{field}[{index}]", rule, name, get_close_matches(name, known, n=1))


def unknown(field: str, rule: str, name: str, near: list[str]) -> InvalidArgument:
    values = {"value": name} | ({"near": near[0]} if near else {})
    meant = f"perhaps {near[0]} is meant" if near else "the metadata of each collection names its events"
    return invalid_field(field, rule, f"there is no {name}; {meant}", metadata=values)
