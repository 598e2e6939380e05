"""Files at records when two do something with one upload at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from crm.resource.v1 import attachments_pb2 as pb
from crm_kit.attachments import servicer
from crm_kit.attachments.contents import Contents

from tests.service.attaching import TEXT, Files, sha256
from tests.service.customer.customers import new_account
from tests.service.kit.test_attachments import sweep, used_bytes
from tests.service.running import Running, User, refused

Step = Callable[[], Awaitable[object]]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def files(customer: Running, user: User) -> Files:
    return Files(customer, (await new_account(customer, user)).id)


async def give_up(files: Files, by: User, id: str) -> None:
    await files.stub.DeleteAttachmentUpload(pb.DeleteAttachmentUploadRequest(id=id, **files.at), metadata=by.metadata)


def meanwhile(monkeypatch: pytest.MonkeyPatch, owner: object, name: str, step: Step) -> None:
    """Have the step done by somebody else, once, when a request has been through `name`: it does not know of it."""
    function: Any = getattr(owner, name)
    steps = [step]

    async def interrupted(*args: Any, **more: Any) -> Any:
        found = await function(*args, **more)
        if steps:
            await steps.pop()()
        return found

    monkeypatch.setattr(owner, name, interrupted)


async def test_a_file_whose_upload_is_given_up_while_its_last_bytes_come_keeps_them(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await files.begin(user)
    meanwhile(monkeypatch, servicer, "get_upload", lambda: files.append(user, upload.id, 0, TEXT))
    await give_up(files, user, upload.id)
    await sweep(customer, user)
    assert await files.bytes_of(user, upload.id) == TEXT
    assert await used_bytes(customer, user) == len(TEXT)


async def test_a_file_stays_though_other_bytes_for_it_are_refused_at_the_same_time(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = await files.begin(user, sha256=sha256(TEXT))
    meanwhile(monkeypatch, Contents, "store", lambda: files.append(user, upload.id, 0, TEXT))
    with refused("INVALID_ARGUMENT", "ATTACHMENT_REFUSED"):
        await files.append(user, upload.id, 0, TEXT[::-1])
    await sweep(customer, user, timedelta(hours=2))
    assert await files.bytes_of(user, upload.id) == TEXT
    assert await used_bytes(customer, user) == len(TEXT)


async def test_an_upload_that_several_give_up_at_once_gives_its_room_back_once(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    await files.attach(user)
    upload = await files.begin(user, size=100)
    meanwhile(monkeypatch, servicer, "get_upload", lambda: give_up(files, user, upload.id))
    with refused("NOT_FOUND", "ATTACHMENT_UPLOAD_NOT_FOUND"):
        await give_up(files, user, upload.id)
    assert await used_bytes(customer, user) == len(TEXT)


async def test_bytes_that_are_refused_twice_at_once_give_their_room_back_once(
    customer: Running, user: User, files: Files
) -> None:
    await files.attach(user)
    upload = await files.begin(user, "x.txt", size=100)
    sent = await asyncio.gather(
        *(files.append(user, upload.id, 0, b"MZ" + bytes(98)) for _ in range(4)), return_exceptions=True
    )
    assert all(isinstance(each, grpc.aio.AioRpcError) for each in sent)
    assert await used_bytes(customer, user) == len(TEXT)
