"""Who is at which record, as far as this process has heard. It knows no clock: whoever asks says when that is."""

import enum
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import partial
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


Changed = Callable[[Record], None]
Key = TypeVar("Key")
Windows = TypeVar("Windows", bound=MutableMapping[_Window, None])


class _Tenant:
    """Windows of one tenant, the one first that was heard of longest ago; the same by record and by user.

    `changed` is called with each record at which somebody comes, goes, or does something else than before.
    """

    def __init__(self, changed: Changed) -> None:
        self._changed = changed
        self.windows: OrderedDict[_Window, _Heard] = OrderedDict()
        self.at: dict[Record, dict[_Window, None]] = {}
        self.of: dict[str, OrderedDict[_Window, None]] = {}

    def put(self, window: _Window, heard: _Heard) -> None:
        known = self._take_out(window)
        if known is None or known.activity is not heard.activity:
            self._changed(window.record)
        self.windows[window] = heard
        self.at.setdefault(window.record, {})[window] = None
        own = self.of.setdefault(window.user_id, OrderedDict())
        own[window] = None
        if len(own) > MAX_OF_USER:
            self.remove(next(iter(own)))
        if len(self.windows) > MAX_OF_TENANT:
            self.remove(next(iter(self.windows)))

    def remove(self, window: _Window) -> None:
        if self._take_out(window) is not None:
            self._changed(window.record)

    def _take_out(self, window: _Window) -> _Heard | None:
        heard = self.windows.pop(window, None)
        if heard is not None:
            _take_out(self.at, window.record, window)
            _take_out(self.of, window.user_id, window)
        return heard

    def expire(self, now: float) -> None:
        while self.windows:
            window, heard = next(iter(self.windows.items()))
            if heard.time > now - LASTS_SECONDS:
                return
            self.remove(window)


class Board:
    """Everybody of whom a beat has been heard within the last 30 seconds, by tenant; `now` never goes back."""

    def __init__(self) -> None:
        # Those at which somebody has come or gone since they were taken; None where nobody takes them.
        self._changed: dict[tuple[str, Record], None] | None = None
        self._tenants: dict[str, _Tenant] = {}
        self._next_sweep = float("-inf")

    def hear(self, beat: Beat, now: float) -> None:
        """Somebody says what they do; LEFT takes the window away at once."""
        tenant = self._tenants.get(beat.tenant_id)
        if tenant is None:
            tenant = self._tenants[beat.tenant_id] = _Tenant(partial(self._note, beat.tenant_id))
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

    def users_at(self, tenant_id: str, record: Record) -> set[str]:
        """Who is at a record, by their ids."""
        tenant = self._tenants.get(tenant_id)
        return set() if tenant is None else {each.user_id for each in tenant.at.get(record, ())}

    def watch(self) -> None:
        """Note from now on where somebody comes or goes, for `take_changed`."""
        self._changed = {}

    def unwatch(self) -> None:
        self._changed = None

    def take_changed(self, now: float) -> list[tuple[str, Record]]:
        """The tenants and records at which somebody has come or gone since it was last asked."""
        self._sweep("", now)
        found = list(self._changed or ())
        if found:
            self._changed = {}
        return found

    def _note(self, tenant_id: str, record: Record) -> None:
        if self._changed is not None:
            self._changed[tenant_id, record] = None

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
