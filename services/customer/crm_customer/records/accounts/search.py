"""Finding accounts by text: exact look-ups of tokens give candidates, the ranking decides."""

from crm_kit.database.statements import Statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope

from crm_customer.records.accounts.model import Account, Status
from crm_customer.records.accounts.queries import get_accounts
from crm_customer.records.search.candidates import FIND_CANDIDATES, lookup, owner_token, team_token
from crm_customer.records.search.ranking import best_matches
from crm_customer.records.search.terms import AccountTexts, query_terms

find_candidates = Statement(FIND_CANDIDATES, ("required", "any_1", "any_2", "any_3", "most"))
# Candidates for each account that is asked for: enough for the ranking to choose from.
CHOICE = 3
HIDDEN = {Status.ARCHIVED, Status.MERGED}


async def search_accounts(reader: Reader, text: str, *, limit: int) -> list[Account]:
    """The best matches among the accounts the reader may see, best first."""
    query = query_terms(text)
    if not query.chunks:
        return []
    asked = lookup(reader.tenant_id, query, visible=seen_by(reader))
    any_1, any_2, any_3 = asked.any_of
    rows = await reader.all(
        find_candidates, required=asked.required, any_1=any_1, any_2=any_2, any_3=any_3, most=CHOICE * limit
    )
    candidates = [
        (
            row["account_id"],
            AccountTexts(
                names=tuple(row["names"]),
                contact_names=tuple(row["contact_names"]),
                phone_numbers=tuple(row["phone_numbers"]),
                emails=tuple(row["emails"]),
                external_ids=tuple(row["external_ids"]),
            ),
        )
        for row in rows
    ]
    best = [id for id, _ in best_matches(query, candidates, CHOICE * limit)]
    found = await get_accounts(reader, best)
    return [found[id] for id in best if id in found and found[id].status not in HIDDEN][:limit]


def seen_by(reader: Reader) -> frozenset[str]:
    """The tokens of owners and teams whose accounts the reader may see; empty when all of them."""
    if reader.scope is Scope.ALL:
        return frozenset()
    own = {owner_token(reader.actor.user_id)}
    teams = reader.actor.access.team_ids if reader.scope is Scope.TEAM else ()
    return frozenset(own | {team_token(team) for team in teams})
