"""Finding accounts by text: exact look-ups of tokens give candidates, the ranking decides."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope, visible
from sqlalchemy import Select, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from crm_customer.accounts.commands import texts_of
from crm_customer.accounts.model import Account
from crm_customer.accounts.queries import COLUMNS, account_from
from crm_customer.accounts.tables import account_search, accounts
from crm_customer.contacts.queries import names_at_accounts
from crm_customer.search.ranking import rank
from crm_customer.search.terms import query_terms

# Enough to rank well; more would make a query for a very common word slow.
CANDIDATES = 200


@statement
def accounts_with_tokens(scope: Scope, groups: int) -> Select[Any]:
    tokens = account_search.c.tokens
    found = select(account_search.c.account_id).where(
        account_search.c.tenant_id == bindparam("tenant_id"),
        tokens.contains(bindparam("required", type_=ARRAY(Text))),
        *(tokens.overlap(bindparam(f"group_{index}", type_=ARRAY(Text))) for index in range(groups)),
    )
    return (
        select(*COLUMNS)
        .where(
            accounts.c.tenant_id == bindparam("tenant_id"),
            accounts.c.id.in_(found),
            accounts.c.status.not_in(["ARCHIVED", "MERGED"]),
            visible(accounts, scope),
        )
        .limit(CANDIDATES)
    )


async def search_accounts(reader: Reader, text: str, *, limit: int) -> list[Account]:
    """The best matches among the accounts the reader may see, best first."""
    query = query_terms(text)
    if not query.chunks:
        return []
    groups = {f"group_{index}": sorted(group) for index, group in enumerate(query.any_of)}
    asked: list[dict[str, Any]] = [
        # Whoever is named exactly so, or begins so, is among the candidates however common the words are.
        {"required": [query.exact]},
        {"required": [query.beginning]},
        {"required": sorted(query.required)} | groups,
    ]
    candidates: dict[Any, Account] = {}
    for values in asked:
        rows = await reader.all(accounts_with_tokens(reader.scope, len(values) - 1), **values)
        candidates |= {row["id"]: account_from(row) for row in rows}
    contacts = await names_at_accounts(reader, list(candidates))
    ranked = [
        (rank(query, texts_of(account, contacts.get(account.id, ()))), account) for account in candidates.values()
    ]
    matching = [pair for pair in ranked if pair[0] > 0]
    matching.sort(key=lambda pair: (-pair[0], pair[1].display_name, pair[1].id))
    return [account for _, account in matching[:limit]]
