"""Whatever is tried to keep a lead by converting it: whoever may take it away does, and the pool does in time."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from crm_kit.errors import FailedPrecondition
from crm_sales.leads.model import ConversionStep, Lead, LeadState
from crm_sales.leads.protection import holding_of
from crm_sales.pools.model import Extension, FollowUpKind, PoolRules
from crm_sales.pools.protection import ATTEMPT_LASTS, FollowUp, protection
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LI, WANG, MANAGER = (UUID(int=number) for number in range(1, 4))
RULES = PoolRules(reclaim_after=HOUR, extensions=(Extension(FollowUpKind.CALL, HOUR),), hard_maximum=5 * HOUR)


@dataclass
class Story:
    """A lead, what has been done with it, and what time it is."""

    lead: Lead
    now: datetime = NOW
    follow_ups: tuple[FollowUp, ...] = ()

    @property
    def safe_until(self) -> datetime:
        holding = replace(holding_of(self.lead), follow_ups=self.follow_ups)
        found = protection(holding, RULES, self.now).safe_until_time
        assert found is not None
        return found

    def convert(self, by: UUID) -> None:
        """Begin, or go on, and end before anything is done."""
        self.lead = self.lead.start_conversion(now=self.now, user_id=by)

    def find_account(self) -> None:
        """What an attempt did before it was broken off."""
        self.lead = self.lead.record_step(ConversionStep.ACCOUNT, UUID(int=9))

    def follow_up(self) -> None:
        self.follow_ups += (FollowUp(FollowUpKind.CALL, self.now, self.now),)
        self.lead = self.lead.follow_up(now=self.now)

    def assign(self, to: UUID) -> None:
        """Colleagues pass it on, too."""
        self.lead = self.lead.assign(to, None, now=self.now)


ACTS: dict[str, Callable[[Story], None]] = {
    "li converts": lambda story: story.convert(LI),
    "wang converts": lambda story: story.convert(WANG),
    "an account is found": Story.find_account,
    "it is followed up": Story.follow_up,
    "li has it": lambda story: story.assign(LI),
    "wang has it": lambda story: story.assign(WANG),
}
steps = st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(0, 70)), max_size=60)


def lived_through(done: list[tuple[str, int]]) -> Story:
    """Each act as far as it is possible, and some minutes, until the pool takes the lead."""
    qualified = replace(
        Lead(UUID(int=8), "王伟", NOW, NOW, state=LeadState.QUALIFIED), owner_id=LI, take_time=NOW, owned_since_time=NOW
    )
    story = Story(qualified)
    for act, minutes in done:
        if story.now >= story.safe_until:
            break
        with contextlib.suppress(FailedPrecondition):
            ACTS[act](story)
        story.now += timedelta(minutes=minutes)
    return story


@given(steps)
def test_whoever_may_take_a_lead_away_does_whatever_was_tried_before(done: list[tuple[str, int]]) -> None:
    story = lived_through(done)
    for taken in (
        story.lead.assign(MANAGER, None, now=story.now),
        story.lead.assign(story.lead.owner_id or LI, None, now=story.now),
        story.lead.return_to_pool("taken away", now=story.now),
    ):
        assert (taken.state, taken.is_converting, taken.account_id) == (LeadState.QUALIFIED, False, None)
    mine = story.lead.assign(MANAGER, None, now=story.now)
    assert mine.disqualify("will not buy", now=story.now).state is LeadState.DISQUALIFIED


@given(steps)
def test_no_lead_is_safe_longer_than_the_hard_maximum_and_an_attempt_that_began_in_time(
    done: list[tuple[str, int]],
) -> None:
    story = lived_through(done)
    assert RULES.hard_maximum is not None
    assert story.safe_until <= NOW + RULES.hard_maximum + ATTEMPT_LASTS
