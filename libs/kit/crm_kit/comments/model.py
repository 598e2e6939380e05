"""A comment: what somebody says about a record, and what is left of it once it is deleted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_kit.errors import denied, illegal_state, invalid_field

_RESOLUTION = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Comment:
    """Fields as in the contract. Methods return the changed one."""

    id: UUID
    collection: str
    record_id: UUID
    author_id: UUID
    text: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    parent_id: UUID | None = None
    mentioned_user_ids: tuple[UUID, ...] = ()
    edit_time: datetime | None = None
    delete_time: datetime | None = None
    deleter_id: UUID | None = None

    def edit(self, by: UUID, values: Mapping[str, Any], *, now: datetime) -> "Comment":
        """With another text or other mentions, by its author.

        Each new text has an edit time of its own, also where two are written at one instant: what texts were is not
        kept, so the time is what says that they differ.
        """
        if by != self.author_id:
            raise denied("not_author", "only who wrote a comment changes it")
        self._require_there()
        after = replace(self, **values)
        if after.text == self.text:
            return after
        return replace(after, edit_time=now if self.edit_time is None else max(now, self.edit_time + _RESOLUTION))

    def delete(self, by: UUID, *, moderates: bool, now: datetime) -> "Comment":
        """Without its text, by its author or by somebody who `moderates` the collection."""
        if by != self.author_id and not moderates:
            raise denied("not_author_or_moderator", "only its author, or who may write all of them, deletes a comment")
        if self.delete_time is not None:
            return self
        return replace(self, text="", mentioned_user_ids=(), delete_time=now, deleter_id=by)

    def check_replied_to(self) -> None:
        """InvalidArgument for a reply, FailedPrecondition for one that is deleted: nobody replies to these."""
        if self.parent_id is not None:
            values = {"id": str(self.parent_id)}
            detail = f"is a reply itself: reply to {self.parent_id}"
            raise invalid_field("comment.parent_id", "no_reply", detail, metadata=values)
        self._require_there()

    def _require_there(self) -> None:
        if self.delete_time is not None:
            raise illegal_state("comment_deleted", "the comment is deleted: nobody changes it or replies to it")
