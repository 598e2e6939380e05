"""Keeps the indexes that records are found by quick while records are written.

PostgreSQL collects the tokens of new rows in a list and sorts them into the index later, many at once: that costs less
than half of what it costs row by row. But every look-up reads the whole list, and whoever fills it up sorts all of it
before his own row is written, for two seconds as measured. So the service sorts every second, in the background.
"""

from crm_kit.background import PeriodicJob
from crm_kit.database.connections import ALL_TENANTS, Database
from crm_kit.database.statements import Statement
from crm_kit.events.leases import Lease

from crm_customer.records.search.candidates import ACCOUNT_SEARCH, CONTACT_SEARCH

EVERY_SECONDS = 1.0
sort_indexes = Statement(f"SELECT sort_{ACCOUNT_SEARCH.name}() + sort_{CONTACT_SEARCH.name}() AS pages", ())


class IndexSorting:
    """One process of the service does it; nothing is lost when none does, look-ups only take longer."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.job = PeriodicJob(
            "search index", self.sort, every_seconds=EVERY_SECONDS, lease=Lease(database, "search index")
        )

    async def sort(self) -> bool:
        """Sort in what has been written until now. False: there is no more."""
        await self._database.all(ALL_TENANTS, sort_indexes, {})
        return False
