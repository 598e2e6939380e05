"""Finds the accounts that may be the same as one, and tells each caller what they may know.

Whoever sees an account learns how alike it is by all of it that they see. Of others the name alone is compared, so that
nobody learns by trying what else such an account has: of one whose label they see they are told which it is, and of the
rest how many there are.
"""

from uuid import UUID

from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import Reader, ReadSession, UnitOfWork, counting
from crm_kit.errors import AlreadyExists
from crm_kit.identity.access import Scope
from crm_kit.identity.membership import READING
from crm_kit.resource.label import Shown
from crm_kit.resource.reading import in_turns

from crm_customer.records.account_kinds import Kind
from crm_customer.records.accounts.likeness import facts_of
from crm_customer.records.accounts.model import IN_BUSINESS, Account
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.duplicate_rules.blocking import keys_of, keys_of_names
from crm_customer.records.duplicate_rules.facts import Facts
from crm_customer.records.duplicate_rules.matching import match
from crm_customer.records.duplicates.model import MAX_NAMED, Finding, FoundDuplicate, ranked
from crm_customer.records.duplicates.queries import candidates, labels


async def find_duplicates(reader: Reader, account: Account) -> Finding:
    """The accounts that may be the same as this one, which may be there itself."""
    finding, restricted = await _found(reader, account)
    await _note(reader, restricted, [each.account_id for each in finding.duplicates])
    return finding


async def _found(reader: Reader, account: Account) -> tuple[Finding, dict[UUID, Account]]:
    """What the reader is to be told, and those whose reads are noted among all that they see."""
    hidden = ACCOUNTS.hidden_from(reader)
    facts = facts_of(account, hidden)
    called = Facts(facts.is_person, facts.names)
    keys = keys_of(facts)
    # Of who is found by a number or an address alone, those who do not see them are told nothing: neither whether it
    # is among so many that share a key, nor whether it is one of those that share most.
    by_name = await candidates(reader, keys_of_names(called))
    ids = [id for id in dict.fromkeys([*await candidates(reader, keys), *by_name]) if id != account.id]
    scope = _scope(reader)
    seen = await _seen(reader, ids, scope)

    def compared(other: Account) -> FoundDuplicate | None:
        known = facts_of(other, hidden)
        # What is hidden does not even make a candidate.
        if hidden and keys.isdisjoint(keys_of(known)):
            return None
        return FoundDuplicate(other.id, other.owner_id, match(facts, known))

    found = [each for each in await in_turns(seen.values(), compared) if each is not None]
    unseen = 0
    for row in await labels(reader, [id for id in by_name if id not in seen and id != account.id], scope):
        known = match(called, Facts(row["kind"] == Kind.PERSON, (row["display_name"],)))
        if not known.is_duplicate:
            continue
        if row["has_label"]:
            found.append(FoundDuplicate(row["id"], row["owner_id"], known))
        else:
            unseen += 1
    return Finding(ranked(found), unseen), {id: each for id, each in seen.items() if each.restricted}


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


async def _note(reader: Reader, restricted: dict[UUID, Account], told: list[UUID]) -> None:
    """What speaks for a restricted account being the same tells of it."""
    if opened := [ACCOUNTS.message_of(restricted[id]) for id in told if id in restricted]:
        await ACCOUNTS.note(reader, opened, Shown.FOUND)


async def refuse_duplicates(work: UnitOfWork, account: Account) -> None:
    """AlreadyExists DUPLICATE_FOUND for a new account that is likely there already.

    Of two that have anything in common and are created at once, one waits for the other, and is compared with it.
    """
    await advisory_lock(work, *(f"duplicates {key}" for key in keys_of(facts_of(account))))
    finding, restricted = await _found(work, account)
    if not finding.likely and not finding.unseen_count:
        return
    ids = [each.account_id for each in finding.likely[:MAX_NAMED]]
    # The unit that is refused takes back whatever it wrote, and what it tells is to be noted all the same.
    await work.close()
    await _note(ReadSession(work.database, work.actor, scope=work.scope, now=work.now), restricted, ids)
    named = ", ".join(map(str, ids))
    rule = {} if named else {"rule": "unseen_accounts"}
    seen = f"accounts that are likely the same: {named}" if named else "an account of this name is there"
    others = f"; others that you do not see: {finding.unseen_count}" if finding.unseen_count else ""
    raise AlreadyExists(
        f"{seen}{others}; it was not created",
        reason="DUPLICATE_FOUND",
        metadata={"account_ids": named, "unseen_count": str(finding.unseen_count)} | rule,
    )
