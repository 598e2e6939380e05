"""What a verb on an account member needs to know besides the member: what the account is to who attempts it."""

from crm_kit.resource.actions import Attempt

from crm_customer.records.account_members.commands import require_removes
from crm_customer.records.account_members.model import AccountMember
from crm_customer.records.account_members.resource import ACCOUNT_MEMBERS


async def remove(member: AccountMember, attempt: Attempt) -> None:
    """FailedPrecondition for who was removed before, PermissionDenied for who takes out others as a member alone."""
    member.remove()
    await require_removes(attempt.reader, member, attempt.scope)


TRIED_MEMBERS = ACCOUNT_MEMBERS.trying(RemoveAccountMember=remove)
