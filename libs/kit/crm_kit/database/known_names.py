"""Display names that were read a moment ago, so that a page of records does not ask for them again.

Believed for two seconds: a record that another process renames is called by its new name everywhere by then. What is
renamed here is forgotten with the commit.
"""

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from uuid import UUID

BELIEVED_SECONDS = 2.0
REMEMBERED = 10_000

# When it was read, and the name; empty for a record that there is not.
Known = tuple[float, str]
NOTHING: Mapping[str, Known] = MappingProxyType({})


class KnownNames:
    """The names by tenant, table and the record's id as text."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._known: dict[tuple[UUID, str], dict[str, Known]] = {}
        self._count = 0
        # What was read before is not remembered any more: it may have been forgotten since.
        self._cleared = float("-inf")

    def of(self, tenant_id: UUID, table: str) -> Mapping[str, Known]:
        """What is known of a table, by id; what was read more than two seconds ago is not to be believed."""
        return self._known.get((tenant_id, table), NOTHING)

    def put(self, tenant_id: UUID, table: str, names: Mapping[str, str], *, read_time: float) -> None:
        """Remember what a query said that began at `read_time`, but nothing that was forgotten since."""
        known = self._with_room(tenant_id, table, len(names))
        if read_time <= self._cleared:
            return
        before = len(known)
        for id, name in names.items():
            if id not in known or known[id][0] <= read_time - BELIEVED_SECONDS:
                known[id] = (read_time, name)
        self._count += len(known) - before

    def forget(self, tenant_id: UUID, table: str, id: UUID) -> None:
        """The record may be called otherwise from now on: what was read until now is not to be believed."""
        known = self._with_room(tenant_id, table, 1)
        key = str(id)
        self._count += key not in known
        known[key] = (self.now() - BELIEVED_SECONDS, "")

    def _with_room(self, tenant_id: UUID, table: str, more: int) -> dict[str, Known]:
        """What is known of a table, with room for so many more names."""
        if self._count + more > REMEMBERED:
            self._known.clear()
            self._count = 0
            self._cleared = self.now()
        return self._known.setdefault((tenant_id, table), {})
