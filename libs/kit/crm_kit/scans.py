"""Reads that no index serves: they look at all rows of a tenant, so they have a share of the connections and an end.

Of that share each tenant has its own: scans of one do not have those of others refused.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from crm_kit.database.work import Reader
from crm_kit.errors import InvalidArgument, ResourceExhausted, invalid_field
from crm_kit.filtering.tree import LISTS, And, Filter, Has, Not, Or

# A million short texts are looked into in less than this.
SCAN_SECONDS = 5.0
# So long a scan waits for others to end before it is turned away.
WAIT_SECONDS = 2.0
# A report is asked for by itself, and waits nearly as long as who asks for it.
ADDING_SECONDS = 8.0
LONG_WAIT_SECONDS = 8.0


def scans(tree: Filter) -> bool:
    """Whether a filter asks what texts contain, `display_name:zzz`, which is looked up by reading them."""
    match tree:
        case Has(field):
            return field.type not in LISTS
        case Not(term):
            return scans(term)
        case And(terms) | Or(terms):
            return any(map(scans, terms))
    return False


@contextlib.asynccontextmanager
async def within_share(reader: Reader, tree: Filter) -> AsyncIterator[None]:
    """Read by this filter in the block, as one of those that may scan at a time.

    ResourceExhausted when none of them ends soon; InvalidArgument INVALID_FILTER when the scan itself takes too long.
    """
    if not scans(tree):
        yield
        return
    detail = "looking into so many texts takes too long; add a condition on another field, or use :search"
    slow = invalid_field("filter", "slow_filter", detail, reason="INVALID_FILTER")
    async with _place(reader, WAIT_SECONDS, SCAN_SECONDS, slow):
        yield


@contextlib.asynccontextmanager
async def adding_up(reader: Reader, _tree: Filter) -> AsyncIterator[None]:
    """Add up all records that a filter takes in the block, whatever it compares, as one of those that read so many.

    ResourceExhausted when none of them ends soon; InvalidArgument when it takes too long by itself.
    """
    detail = "adding up so many records takes too long; narrow the filter or the period"
    slow = invalid_field("filter", "slow_question", detail)
    async with _place(reader, LONG_WAIT_SECONDS, ADDING_SECONDS, slow):
        yield


@contextlib.asynccontextmanager
async def _place(reader: Reader, wait: float, seconds: float, slow: InvalidArgument) -> AsyncIterator[None]:
    async with contextlib.AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(wait):
                await stack.enter_async_context(reader.database.scans.place(reader.tenant_id))
        except TimeoutError:
            detail = "too many requests are reading very many records at once; try again, or find records with :search"
            raise ResourceExhausted(detail, retry_after_seconds=seconds) from None
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise slow from None
