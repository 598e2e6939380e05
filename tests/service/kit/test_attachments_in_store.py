"""Files at records where processes die, and where the store of bytes is away or has lost some."""

from datetime import timedelta
from typing import Any

import pytest
from crm_kit.attachments.queries import parts
from crm_kit.errors import Unavailable

from tests.service.attaching import TEXT, Files
from tests.service.customer.customers import new_account
from tests.service.kit.test_attachments import objects, rows, sweep
from tests.service.running import Running, User, refused


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(name="王芳")


@pytest.fixture
async def files(customer: Running, user: User) -> Files:
    return Files(customer, (await new_account(customer, user)).id)


class Dying(Exception):
    """Where a process would be killed."""


@pytest.mark.parametrize("dies_before", ["put", "get", "commit"])
async def test_wherever_a_process_dies_nothing_is_shown_that_is_not_there_and_nothing_stays(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch, dies_before: str
) -> None:
    store = customer.service.contents._store
    upload = await files.begin(user)

    async def dying(*_args: Any) -> None:
        raise Dying

    with monkeypatch.context() as patched:
        if dies_before == "commit":
            patched.setattr(
                "crm_kit.attachments.commands.ATTACHMENTS.create", lambda *_: (_ for _ in ()).throw(Dying())
            )
        else:
            patched.setattr(store, dies_before, dying)
        with refused("INTERNAL", "INTERNAL"):
            await files.append(user, upload.id, 0, TEXT)
    assert await files.list(user) == []
    assert (await files.upload(user, upload.id)).received_bytes == 0
    # Whoever goes on where the upload is has the file.
    assert (await files.append(user, upload.id, 0, TEXT)).complete
    assert await files.bytes_of(user, upload.id) == TEXT
    await sweep(customer, user, timedelta(hours=2))
    assert len(objects(customer, user)) == 1
    assert len(await rows(customer, user, parts)) == 1


async def test_a_sweep_that_dies_behind_the_bytes_is_done_again(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await files.attach(user)
    await files.delete(user, made.id)
    with monkeypatch.context() as patched:
        patched.setattr("crm_kit.attachments.sweeping.forget_parts", lambda: (_ for _ in ()).throw(Dying()))
        await sweep(customer, user)
    assert objects(customer, user) == []
    assert len(await rows(customer, user, parts)) == 1
    await sweep(customer, user)
    assert await rows(customer, user, parts) == []


async def test_a_store_that_does_not_answer_is_said_and_costs_nothing(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await files.begin(user)

    async def away(*_args: Any) -> None:
        raise Unavailable("the file store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(customer.service.contents._store, "put", away)
        with refused("UNAVAILABLE", "UNAVAILABLE"):
            await files.append(user, upload.id, 0, TEXT)
    assert (await files.append(user, upload.id, 0, TEXT)).complete


@pytest.mark.parametrize("left", [None, 6], ids=["gone", "cut"])
async def test_a_file_that_the_store_has_lost_bytes_of_is_not_shown_with_a_gap(
    customer: Running, user: User, files: Files, left: int | None
) -> None:
    upload = await files.begin(user)
    await files.append(user, upload.id, 0, TEXT[:8])
    await files.append(user, upload.id, 8, TEXT[8:])
    (first,) = [each for each in objects(customer, user) if each.read_bytes() == TEXT[:8]]
    if left is None:
        first.unlink()
    else:
        first.write_bytes(TEXT[:left])
    with refused("UNAVAILABLE", "UNAVAILABLE"):
        await files.read(user, upload.id)
    assert (await files.read(user, upload.id, 8)).content == TEXT[8:]


async def test_a_file_in_many_small_parts_is_read_some_at_a_time(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_kit.attachments.reading.MAX_PARTS", 5)
    upload = await files.begin(user)
    for offset in range(len(TEXT)):
        await files.append(user, upload.id, offset, TEXT[offset : offset + 1])
    assert (await files.read(user, upload.id, 2)).content == TEXT[2:7]
    assert await files.bytes_of(user, upload.id) == TEXT
