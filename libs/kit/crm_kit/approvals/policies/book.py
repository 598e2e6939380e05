"""The policies of tenants as a process knows them: remembered for a second.

What is remembered never refuses anything: before that it is read again.
"""

import time
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import Select

from crm_kit.approvals.policies.model import ApprovalPolicy, State
from crm_kit.approvals.policies.resource import POLICIES
from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from crm_kit.plumbing import approval_policies

REMEMBER_SECONDS = 1.0
REMEMBERED = 10_000
ByVerb = dict[tuple[str, str], ApprovalPolicy]


class PolicyBook:
    """What one process knows of the policies in its database that are in use, by collection and verb."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[float, ByVerb]] = {}

    async def find(self, reader: Reader, collection: str, verb: str, *, fresh: bool = False) -> ApprovalPolicy | None:
        """The policy of a verb; with `fresh` as it is now."""
        asked = time.monotonic()
        known = self._known.get(reader.tenant_id)
        if fresh or known is None or asked - known[0] > REMEMBER_SECONDS:
            rows = await reader.all(policies_in_use())
            found = {(each.collection, each.verb): each for each in map(POLICIES.entity_from, rows)}
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[reader.tenant_id] = asked, found
        return known[1].get((collection, verb))

    def forget(self, tenant_id: UUID) -> None:
        """They have changed: ask again at the next look."""
        self._known.pop(tenant_id, None)


_BOOKS: WeakKeyDictionary[Database, PolicyBook] = WeakKeyDictionary()


def book_of(database: Database) -> PolicyBook:
    """The one of this process for a database."""
    return _BOOKS.setdefault(database, PolicyBook())


@statement
def policies_in_use() -> Select[Any]:
    return POLICIES.rows(Scope.ALL).where(approval_policies.c.state == State.ACTIVE)
