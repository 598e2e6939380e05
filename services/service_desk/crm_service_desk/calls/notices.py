"""Who is told of calls that nobody answered."""

from crm_kit.database.work import UnitOfWork
from crm_kit.notices import Kind, raise_notice
from crm_kit.projections import record_by_id

from crm_service_desk.accounts.tables import accounts
from crm_service_desk.calls.model import Call
from crm_service_desk.calls.queries import has_missed_before
from crm_service_desk.calls.resource import CALLS


async def tell_missed(work: UnitOfWork, call: Call) -> None:
    """Tell who the customer's account belongs to, and at whose telephone it rang last; of a number once an hour."""
    if call.customer_number is not None and await has_missed_before(work, call):
        return
    account = await work.one(record_by_id(accounts), id=call.account_id) if call.account_id else None
    told = [account["owner_id"] if account else None, call.user_id]
    raise_notice(
        work,
        Kind.NOTICE_KIND_CALL_MISSED,
        [each for each in told if each is not None],
        record=(CALLS.collection, call.id),
        name=account["display_name"] if account else call.queue or "",
    )
