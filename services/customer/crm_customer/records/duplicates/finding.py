"""Finds the accounts that may be the same as one, and tells each caller what they may know.

Whoever sees an account learns how alike it is by all of it that they see. Of others the name alone is compared, so that
nobody learns by trying what else such an account has: of one whose label they see they are told which it is, and of the
rest how many there are.
"""

from uuid import UUID

from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import Reader, UnitOfWork, counting
from crm_kit.errors import AlreadyExists
from crm_kit.identity.access import Scope
from crm_kit.identity.membership import READING
from crm_kit.resource.label import Shown
from crm_kit.resource.reading import in_turns

from crm_customer.records.account_kinds import Kind
from crm_customer.records.accounts.likeness import facts_of
from crm_customer.records.accounts.model import IN_BUSINESS, Account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.duplicate_rules.blocking import keys_of
from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.duplicate_rules.matching import match
from crm_customer.records.duplicates.model import MAX_NAMED, Finding, FoundDuplicate, ranked
from crm_customer.records.duplicates.queries import candidates, labels


async def find_duplicates(reader: Reader, account: Account) -> Finding:
    """The accounts that may be the same as this one, which may be there itself."""
    hidden = ACCOUNTS.hidden_from(reader)
    facts = facts_of(account, hidden)
    ids = [id for id in await candidates(reader, keys_of(facts)) if id != account.id]
    scope = _scope(reader)
    seen = await _seen(reader, ids, scope)

    def compared(other: Account) -> FoundDuplicate:
        return FoundDuplicate(other.id, other.owner_id, match(facts, facts_of(other, hidden)))

    found = await in_turns(seen.values(), compared)
    others = [id for id in ids if id not in seen]
    unseen = 0
    called = Facts(facts.is_person, facts.names)
    for row in await labels(reader, others, scope):
        known = match(called, Facts(row["kind"] == Kind.PERSON, (row["display_name"],)))
        if not known.is_duplicate:
            continue
        if row["has_label"]:
            found.append(FoundDuplicate(row["id"], row["owner_id"], known))
        else:
            unseen += 1
    told = ranked(found)
    await _note(reader, [seen[each.account_id] for each in told if each.account_id in seen])
    return Finding(told, unseen)


def _scope(reader: Reader) -> Scope | None:
    """Within which scope the caller reads accounts; None when they read none."""
    access = reader.actor.access
    return access.scope(ACCOUNTS.permission) if access.may(ACCOUNTS.permission) else None


async def _seen(reader: Reader, ids: list[UUID], scope: Scope | None) -> dict[UUID, Account]:
    if scope is None or not ids:
        return {}
    with counting(reader, READING):
        found = await ACCOUNTS.get_many(reader, ids, scope=scope)
    return {id: each for id, each in found.items() if each.status in IN_BUSINESS}


async def _note(reader: Reader, told: list[Account]) -> None:
    """What speaks for a restricted account being the same tells of it."""
    if restricted := [ACCOUNTS.message_of(each) for each in told if each.restricted]:
        await ACCOUNTS.note(reader, restricted, Shown.FOUND)


async def refuse_duplicates(work: UnitOfWork, account: Account) -> None:
    """AlreadyExists DUPLICATE_FOUND for a new account that is likely there already.

    Of two that have anything in common and are created at once, one waits for the other, and is compared with it.
    """
    await advisory_lock(work, *(f"duplicates {key}" for key in keys_of(facts_of(account))))
    finding = await find_duplicates(work, account)
    if not finding.likely and not finding.unseen_count:
        return
    named = ", ".join(str(each.account_id) for each in finding.likely[:MAX_NAMED])
    seen = f"accounts that are likely the same: {named}" if named else "an account of this name is there"
    others = f"; others that you do not see: {finding.unseen_count}" if finding.unseen_count else ""
    raise AlreadyExists(
        f"{seen}{others}; it was not created",
        reason="DUPLICATE_FOUND",
        metadata={"account_ids": named, "unseen_count": str(finding.unseen_count)},
    )
