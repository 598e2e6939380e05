"""The quality rules of tenants as a process knows them: remembered for a second.

A record that was assessed by what was remembered says by which rules; where those are others by then, it is assessed
again (`assessing`).
"""

import time
from hashlib import blake2b
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from sqlalchemy import Select

from crm_customer.records.quality_rules.model import QualityRule, State
from crm_customer.records.quality_rules.quality import Rules
from crm_customer.records.quality_rules.resource import QUALITY_RULES
from crm_customer.records.quality_rules.tables import quality_rules

REMEMBER_SECONDS = 1.0
REMEMBERED = 10_000
NO_RULES = Rules("none", ())


class RuleBook:
    """What one process knows of the rules in use in its database, by collection."""

    def __init__(self) -> None:
        self._known: dict[UUID, tuple[float, dict[str, Rules]]] = {}

    async def of(self, reader: Reader, collection: str, *, fresh: bool = False) -> Rules:
        """The rules of a collection; with `fresh` as they are now."""
        asked = time.monotonic()
        known = self._known.get(reader.tenant_id)
        if fresh or known is None or asked - known[0] > REMEMBER_SECONDS:
            found = grouped(map(QUALITY_RULES.entity_from, await reader.all(rules_in_use())))
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[reader.tenant_id] = asked, found
        return known[1].get(collection, NO_RULES)

    def forget(self, tenant_id: UUID) -> None:
        """They have changed: ask again at the next look."""
        self._known.pop(tenant_id, None)


_BOOKS: WeakKeyDictionary[Database, RuleBook] = WeakKeyDictionary()


def book_of(database: Database) -> RuleBook:
    """The one of this process for a database."""
    return _BOOKS.setdefault(database, RuleBook())


async def rules_of(reader: Reader, collection: str, *, fresh: bool = False) -> Rules:
    """The rules in use of a collection, in the order in which they are tried."""
    return await book_of(reader.database).of(reader, collection, fresh=fresh)


def grouped(rules: Any) -> dict[str, Rules]:
    """Rules in their order by collection."""
    found: dict[str, list[QualityRule]] = {}
    for rule in rules:
        found.setdefault(rule.collection, []).append(rule)
    return {collection: Rules(basis_of(each), tuple(each)) for collection, each in found.items()}


def basis_of(rules: list[QualityRule]) -> str:
    """The same for the same versions of the same rules, whoever reads them."""
    said = ",".join(sorted(f"{rule.id}:{rule.version}" for rule in rules))
    return blake2b(said.encode(), digest_size=12).hexdigest()


@statement
def rules_in_use() -> Select[Any]:
    rules = quality_rules.c
    return QUALITY_RULES.rows(Scope.ALL).where(rules.state == State.ACTIVE).order_by(rules.position, rules.id)
