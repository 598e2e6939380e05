"""Who is at which record, as far as this process has heard. It knows no clock: whoever asks says when that is."""

import enum
from collections import OrderedDict
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from typing import TypeVar

LASTS_SECONDS = 30.0
"""After so long without a beat nobody is there any more."""

BEAT_SECONDS = 10
"""How often one says that one is still there: two of three beats may be lost."""

MAX_OF_USER = 50
"""Records and windows at which one user is shown; beyond that the one that was heard of longest ago goes."""

MAX_OF_TENANT = 10_000
"""The same of all users of a tenant."""

SWEEP_SECONDS = 1.0
"""How often all tenants are looked through for who has been silent; the one that is spoken of, each time."""

MAX_SHOWN = 100
"""People at one record, those first who edit it."""


class Activity(enum.StrEnum):
    VIEWING = "VIEWING"
    EDITING = "EDITING"
    LEFT = "LEFT"


@dataclass(frozen=True, slots=True)
class Record:
    """A record by its collection, as contracts call it, and its id."""

    collection: str
    id: str


@dataclass(frozen=True, slots=True)
class Beat:
    """What somebody does at a record in one of their windows."""

    tenant_id: str
    record: Record
    user_id: str
    user_name: str
    client_id: str
    activity: Activity


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody at a record; EDITING where they are so in any of their windows."""

    user_id: str
    user_name: str
    activity: Activity


@dataclass(frozen=True, slots=True)
class _Window:
    user_id: str
    client_id: str
    record: Record


@dataclass(frozen=True, slots=True)
class _Heard:
    name: str
    activity: Activity
    time: float


Key = TypeVar("Key")
Windows = TypeVar("Windows", bound=MutableMapping[_Window, None])


class _Tenant:
    """Windows of one tenant, the one first that was heard of longest ago; the same by record and by user."""

    def __init__(self) -> None:
        self.windows: OrderedDict[_Window, _Heard] = OrderedDict()
        self.at: dict[Record, dict[_Window, None]] = {}
        self.of: dict[str, OrderedDict[_Window, None]] = {}

    def put(self, window: _Window, heard: _Heard) -> None:
        self.remove(window)
        self.windows[window] = heard
        self.at.setdefault(window.record, {})[window] = None
        own = self.of.setdefault(window.user_id, OrderedDict())
        own[window] = None
        if len(own) > MAX_OF_USER:
            self.remove(next(iter(own)))
        if len(self.windows) > MAX_OF_TENANT:
            self.remove(next(iter(self.windows)))

    def remove(self, window: _Window) -> None:
        if self.windows.pop(window, None) is None:
            return
        _take_out(self.at, window.record, window)
        _take_out(self.of, window.user_id, window)

    def expire(self, now: float) -> None:
        while self.windows:
            window, heard = next(iter(self.windows.items()))
            if heard.time > now - LASTS_SECONDS:
                return
            self.remove(window)


class Board:
    """Everybody of whom a beat has been heard within the last 30 seconds, by tenant; `now` never goes back."""

    def __init__(self) -> None:
        self._tenants: dict[str, _Tenant] = {}
        self._next_sweep = float("-inf")

    def hear(self, beat: Beat, now: float) -> None:
        """Somebody says what they do; LEFT takes the window away at once."""
        tenant = self._tenants.setdefault(beat.tenant_id, _Tenant())
        window = _Window(beat.user_id, beat.client_id, beat.record)
        if beat.activity is Activity.LEFT:
            tenant.remove(window)
        else:
            tenant.put(window, _Heard(beat.user_name, beat.activity, now))
        self._sweep(beat.tenant_id, now)

    def others(self, tenant_id: str, record: Record, user_id: str, now: float) -> list[Present]:
        """Who is at a record besides the user: those who edit it first, then by name."""
        self._sweep(tenant_id, now)
        tenant = self._tenants.get(tenant_id)
        found: dict[str, Present] = {}
        for each in () if tenant is None else _at(tenant, record):
            known = found.get(each.user_id)
            if each.user_id != user_id and (known is None or known.activity is not Activity.EDITING):
                found[each.user_id] = each
        order = sorted(found.values(), key=lambda each: (each.activity, each.user_name, each.user_id))
        return order[:MAX_SHOWN]

    def __len__(self) -> int:
        return sum(len(each.windows) for each in self._tenants.values())

    def _sweep(self, tenant_id: str, now: float) -> None:
        """Forget who has been silent, now and then of all tenants: what is over costs no memory."""
        if now < self._next_sweep:
            self._expire(tenant_id, now)
            return
        self._next_sweep = now + SWEEP_SECONDS
        for id in list(self._tenants):
            self._expire(id, now)

    def _expire(self, tenant_id: str, now: float) -> None:
        tenant = self._tenants.get(tenant_id)
        if tenant is not None:
            tenant.expire(now)
            if not tenant.windows:
                del self._tenants[tenant_id]


def _take_out(index: MutableMapping[Key, Windows], key: Key, window: _Window) -> None:
    windows = index[key]
    del windows[window]
    if not windows:
        del index[key]


def _at(tenant: _Tenant, record: Record) -> Iterator[Present]:
    for window in tenant.at.get(record, ()):
        heard = tenant.windows[window]
        yield Present(window.user_id, heard.name, heard.activity)
