"""Which accounts a rule restricts, beside what a person would say."""

from datetime import UTC, datetime

from crm_customer.records.account_kinds import Kind, ValueTier
from crm_customer.records.account_restrictions.model import AccountRestriction
from crm_customer.records.accounts.model import Account, RestrictedBy
from crm_kit.ids import new_id
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2027, 3, 1, 9, tzinfo=UTC)
KINDS, TIERS = st.sampled_from(Kind), st.sampled_from(ValueTier)
RULES = st.builds(AccountRestriction, kinds=st.sets(KINDS).map(tuple), value_tiers=st.sets(TIERS).map(tuple))


@given(RULES, KINDS, st.none() | TIERS)
def test_a_rule_takes_what_is_among_all_that_it_names(rule: AccountRestriction, kind: Kind, tier: ValueTier) -> None:
    # A list keeps accounts out that are not in it, an empty one nobody.
    kept_out = (len(rule.kinds) > 0) * (kind not in rule.kinds) + (len(rule.value_tiers) > 0) * (
        tier not in rule.value_tiers
    )
    is_named = len(rule.kinds) + len(rule.value_tiers) > 0
    assert rule.takes(kind, tier) == (is_named and kept_out == 0)


@given(st.booleans(), st.sampled_from([None, *RestrictedBy]), st.booleans())
def test_a_rule_changes_nothing_that_somebody_has_decided(
    restricted: bool, by: RestrictedBy | None, takes: bool
) -> None:
    account = Account(
        new_id(), Kind.PERSON, "王伟", NOW, NOW, restricted=restricted, restricted_by=by, restriction_reason="why"
    )
    after = account.ruled(takes=takes)
    if by is RestrictedBy.HAND:
        assert after == account
    else:
        assert (after.restricted, after.restricted_by) == (takes, RestrictedBy.RULE if takes else None)
    assert after.ruled(takes=takes) == after
