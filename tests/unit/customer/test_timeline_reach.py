"""Which entries somebody sees at an account, against the rule as people say it."""

from uuid import UUID

from crm_customer.records.timeline.model import Kind, permission_of
from crm_customer.records.timeline.reach import reach_at
from crm_kit.identity.access import Access, Actor, Scope
from hypothesis import given
from hypothesis import strategies as st

ME, OTHER, MY_TEAM, THEIRS = (UUID(int=number) for number in range(4, 8))
PERMISSIONS = sorted({permission_of(kind) for kind in Kind} | {"*"})


@given(
    grants=st.dictionaries(st.sampled_from(PERMISSIONS), st.sampled_from(Scope)),
    account=st.tuples(st.sampled_from([ME, OTHER, None]), st.sampled_from([MY_TEAM, THEIRS, None])),
    record=st.tuples(st.sampled_from([ME, OTHER]), st.sampled_from([MY_TEAM, THEIRS, None])),
    kind=st.sampled_from(Kind),
)
def test_an_entry_is_seen_when_its_record_or_the_account_is_within_the_scope(
    grants: dict[str, Scope],
    account: tuple[UUID | None, UUID | None],
    record: tuple[UUID, UUID | None],
    kind: Kind,
) -> None:
    actor = Actor(UUID(int=1), ME, Access(active=True, grants=grants, team_id=MY_TEAM, team_ids=(MY_TEAM,)))
    reach = reach_at(actor, *account)
    mine, of_my_team = record[0] == ME, record[1] == MY_TEAM
    seen = kind in reach.all or (kind in reach.team and (mine or of_my_team)) or (kind in reach.own and mine)
    granted = {grants.get(permission_of(kind)), grants.get("*")}
    by_account = kind.startswith(("ACCOUNT_", "VALUE_TIER_"))
    by_own = granted - {None} and ME in (account[0], record[0])
    by_team = granted & {Scope.TEAM, Scope.ALL} and MY_TEAM in (account[1], record[1])
    assert seen == bool(by_account or by_own or by_team or Scope.ALL in granted)
