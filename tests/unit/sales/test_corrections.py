"""What a conversion corrects of what one that was broken off has created."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from crm_sales.accounts.corrections import OF_CONTACTS, corrected
from crm_sales.accounts.model import Earlier, NewContact
from crm_sales.leads.model import MAX_TOLD, Lead, LeadState
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
VALUES = st.sampled_from(["", "a", "b", "c"])


@dataclass(frozen=True)
class Contact:
    display_name: str
    job_title: str
    phone_numbers: str
    emails: str


CONTACTS = st.builds(Contact, VALUES, VALUES, VALUES, VALUES)


@given(found=CONTACTS, wanted=CONTACTS, told=st.lists(CONTACTS, max_size=3))
def test_a_value_is_corrected_if_it_was_told_and_stays_if_others_have_changed_it(
    found: Contact, wanted: Contact, told: list[Contact]
) -> None:
    names = corrected(OF_CONTACTS, found, wanted, iter(told))
    after = replace(found, **{name: getattr(wanted, name) for name in names})
    for name in OF_CONTACTS:
        was_told = getattr(found, name) in [getattr(each, name) for each in told]
        assert getattr(after, name) == getattr(wanted if was_told else found, name)


def test_nothing_was_told_of_what_was_there_before() -> None:
    contact = NewContact("王伟", UUID(int=1))
    earlier = Earlier([contact], since=NOW)
    assert earlier.told_by(NOW - timedelta(microseconds=1)) == ()
    assert earlier.told_by(NOW) == [contact]
    assert Earlier([contact]).told_by(NOW) == ()


def test_a_lead_remembers_what_it_told_until_it_is_converted() -> None:
    owner_id = UUID(int=2)
    lead = Lead(UUID(int=1), "0", NOW, NOW, owner_id=owner_id, take_time=NOW, state=LeadState.QUALIFIED)
    for number in range(MAX_TOLD + 1):
        begun = lead.start_conversion(now=NOW + timedelta(hours=number), user_id=owner_id)
        lead = replace(begun.abandon_conversion(), display_name=str(number + 1))
    assert [each.display_name for each in lead.as_told()] == ["1", "2", "3", "4", "5"]
    assert lead.told_since == NOW + timedelta(hours=1)
