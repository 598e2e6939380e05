"""The room of uploads, whatever happens to them."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from crm_customer.imports.model import (
    MAX_BYTES,
    MAX_TENANT_BYTES,
    MAX_USER_BYTES,
    MIN_COUNTED_BYTES,
    Upload,
    check_room,
)
from crm_kit.errors import CrmError, ResourceExhausted
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 31, tzinfo=UTC)
# What others have, so that two files of the largest size just fit beside it.
OTHERS = MAX_TENANT_BYTES - 2 * MAX_BYTES - MIN_COUNTED_BYTES
STEPS = ("begin", "append", "stand still", "end", "delete")


def new_upload(total_bytes: int) -> Upload:
    upload = Upload(UUID(int=1), "a.csv", UUID(int=2), NOW, NOW, total_bytes=total_bytes)
    return replace(upload, held_bytes=upload.expected_bytes)


def taken(uploads: list[Upload], more: int) -> None:
    check_room(more, of_tenant=OTHERS + sum(each.counted_bytes for each in uploads), of_user=0)


def step(uploads: list[Upload], name: str, at: int, size: int) -> None:
    """As the commands do it. CrmError when it is refused."""
    if name == "begin":
        upload = new_upload(size)
        taken(uploads, upload.counted_bytes)
        uploads.append(upload)
        return
    if not uploads:
        return
    at %= len(uploads)
    before = uploads[at]
    if name == "delete":
        del uploads[at]
    elif name == "stand still":
        uploads[at] = replace(before, held_bytes=before.received_bytes)
    elif name == "end":
        uploads[at] = before.end(before.received_bytes)
    else:
        after = before.append(before.received_bytes, size)
        if after.held_bytes > before.held_bytes:
            taken(uploads, after.counted_bytes - before.counted_bytes)
        uploads[at] = after


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.integers(0, 9), st.integers(0, MAX_BYTES)), max_size=60))
def test_in_whatever_order_uploads_come_stand_still_and_go_on_their_bytes_have_room(
    steps: list[tuple[str, int, int]],
) -> None:
    uploads: list[Upload] = []
    for name, at, size in steps:
        with contextlib.suppress(CrmError):
            step(uploads, name, at, size)
        assert OTHERS + sum(max(each.received_bytes, MIN_COUNTED_BYTES) for each in uploads) <= MAX_TENANT_BYTES
        assert all(each.received_bytes <= each.held_bytes <= each.expected_bytes for each in uploads)


@given(st.integers(1, MAX_BYTES), st.booleans())
def test_an_upload_that_has_ended_holds_what_it_is(size: int, told: bool) -> None:
    ended = new_upload(size if told else 0).append(0, size).end(size)
    assert (ended.received_bytes, ended.total_bytes, ended.held_bytes) == (size, size, size)
    assert ended.counted_bytes == max(size, 1 << 20)


@pytest.mark.parametrize(
    ("of_tenant", "of_user", "rule"),
    [
        (MAX_TENANT_BYTES - 9, 0, ""),
        (MAX_TENANT_BYTES - 8, 0, "uploads"),
        (MAX_USER_BYTES, MAX_USER_BYTES - 9, ""),
        (MAX_USER_BYTES, MAX_USER_BYTES - 8, "own_uploads"),
    ],
)
def test_neither_a_tenant_nor_one_of_its_users_has_more_than_its_share(of_tenant: int, of_user: int, rule: str) -> None:
    if not rule:
        check_room(9, of_tenant=of_tenant, of_user=of_user)
        return
    with pytest.raises(ResourceExhausted) as refused:
        check_room(9, of_tenant=of_tenant, of_user=of_user)
    assert refused.value.metadata["rule"] == rule
