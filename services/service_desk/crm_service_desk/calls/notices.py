"""Who is told of calls that nobody answered."""

from crm_kit.database.work import UnitOfWork
from crm_kit.notices import Kind, raise_notice
from crm_kit.projections import record_by_id

from crm_service_desk.accounts.tables import accounts
from crm_service_desk.calls.model import Call, is_told
from crm_service_desk.calls.queries import find_other_missed
from crm_service_desk.calls.resource import CALLS


async def tell_missed(work: UnitOfWork, call: Call) -> None:
    """Tell who the customer's account belongs to, and at whose telephones it rang; of a number once an hour."""
    account = await work.one(record_by_id(accounts), id=call.account_id) if call.account_id else None
    others = await find_other_missed(work, call)
    told = {}
    if account is not None:
        told[account["owner_id"]] = [each for each in others if each["account_id"] == call.account_id]
    # At a restricted account a call may not be there for whose telephone it was.
    if account is None or not account["restricted"]:
        for user_id in {call.user_id, *call.ring_user_ids}:
            theirs = [each for each in others if user_id in (each["user_id"], *each["ring_user_ids"])]
            told.setdefault(user_id, theirs)
    raise_notice(
        work,
        Kind.NOTICE_KIND_CALL_MISSED,
        [id for id, missed in told.items() if id and is_told(call.begin_time, [each["begin_time"] for each in missed])],
        record=(CALLS.collection, call.id),
        name=account["display_name"] if account else call.queue or "",
    )
