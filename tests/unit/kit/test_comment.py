"""A comment through any life: what can be read after whatever people did, held against a plain account of it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from crm_kit.comments.model import Comment
from crm_kit.errors import CrmError, FailedPrecondition, InvalidArgument, PermissionDenied
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2027, 3, 19, 12, tzinfo=UTC)
PEOPLE = [UUID(int=number) for number in range(1, 4)]
AUTHOR = PEOPLE[0]


def comment(**values: object) -> Comment:
    fields: dict[str, object] = {
        "id": UUID(int=10),
        "collection": "accounts",
        "record_id": UUID(int=11),
        "author_id": AUTHOR,
        "text": "one",
        "create_time": NOON,
        "update_time": NOON,
    }
    return Comment(**fields | values)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Deed:
    """What somebody tries to do: write another text, or delete."""

    by: UUID
    text: str | None
    moderates: bool
    minutes: int

    def done_to(self, each: Comment) -> Comment:
        now = NOON + timedelta(minutes=self.minutes)
        try:
            if self.text is None:
                return each.delete(self.by, moderates=self.moderates, now=now)
            return each.edit(self.by, {"text": self.text}, now=now)
        except CrmError:
            return each


DEEDS = st.lists(
    st.builds(
        Deed,
        by=st.sampled_from(PEOPLE),
        text=st.sampled_from([None, "one", "two", "three"]),
        moderates=st.booleans(),
        minutes=st.integers(-5, 5),
    ),
    max_size=12,
)


@given(DEEDS)
def test_the_last_text_of_its_author_stands_until_somebody_who_may_has_deleted_it(deeds: list[Deed]) -> None:
    text, deleter, edits = "one", None, 0
    found = comment()
    for deed in deeds:
        before, found = found, deed.done_to(found)
        if deleter is not None:
            pass
        elif deed.text is None:
            if deed.by == AUTHOR or deed.moderates:
                text, deleter = "", deed.by
        elif deed.by == AUTHOR and deed.text != text:
            text, edits = deed.text, edits + 1
            # Each text has a time of its own, whatever clocks do: nothing else tells that it is another.
            assert before.edit_time is None or (found.edit_time is not None and found.edit_time > before.edit_time)
        assert (found.text, found.deleter_id) == (text, deleter)
        assert (found.edit_time is not None) == (edits > 0)
        assert (found.delete_time is not None) == (deleter is not None)


def test_other_mentions_are_no_other_text() -> None:
    changed = comment().edit(AUTHOR, {"mentioned_user_ids": (PEOPLE[1],)}, now=NOON)
    assert (changed.mentioned_user_ids, changed.edit_time) == ((PEOPLE[1],), None)


def test_what_is_left_of_a_deleted_comment_mentions_nobody() -> None:
    left = comment(mentioned_user_ids=(PEOPLE[1],)).delete(AUTHOR, moderates=False, now=NOON)
    assert (left.text, left.mentioned_user_ids, left.deleter_id, left.delete_time) == ("", (), AUTHOR, NOON)
    # Once more, later, by somebody else who may: it stays as it was.
    assert left.delete(PEOPLE[1], moderates=True, now=NOON + timedelta(days=1)) == left


def test_nobody_changes_or_deletes_what_another_has_written_unless_they_moderate() -> None:
    with pytest.raises(PermissionDenied):
        comment().edit(PEOPLE[1], {"text": "two"}, now=NOON)
    with pytest.raises(PermissionDenied):
        comment().delete(PEOPLE[1], moderates=False, now=NOON)
    with pytest.raises(PermissionDenied):
        # Also not of what is deleted: that it was deleted is no invitation.
        comment().delete(AUTHOR, moderates=False, now=NOON).edit(PEOPLE[1], {"text": "two"}, now=NOON)


def test_replies_are_one_level_deep_and_not_to_what_is_gone() -> None:
    comment().check_replied_to()
    with pytest.raises(InvalidArgument) as refused:
        comment(parent_id=UUID(int=12)).check_replied_to()
    assert str(UUID(int=12)) in refused.value.detail
    with pytest.raises(FailedPrecondition):
        comment().delete(AUTHOR, moderates=False, now=NOON).check_replied_to()
