"""What every tenant starts with: a pipeline and a public pool."""

from crm_kit.database.work import UnitOfWork

from crm_sales.pipelines.commands import provide_default_pipeline
from crm_sales.pools.commands import provide_default_pool


async def provide_defaults(work: UnitOfWork) -> None:
    """Make what the tenant does not have yet, in the transaction that makes the tenant known."""
    await provide_default_pipeline(work)
    await provide_default_pool(work)
