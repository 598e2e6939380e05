"""Files at records when several do something with one at the same time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import grpc
import pytest
from crm.resource.v1 import attachments_pb2 as pb
from crm_kit.attachments import previews, servicer
from crm_kit.attachments.contents import Contents
from crm_kit.attachments.queries import parts

from tests.service.attaching import TEXT, Files, picture, sha256
from tests.service.customer.customers import new_account
from tests.service.kit.test_attachments import rows, sweep, used_bytes
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


async def test_images_are_in_memory_one_after_the_other_and_a_preview_is_made_once(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await files.attach(user, picture(300 + number, 200), "photo.png") for number in range(3)]
    all_of, pictures, held, most = Contents.all_of, previews.preview_of, 0, 0

    async def counted(*args: Any) -> AsyncIterator[bytes]:
        nonlocal held, most
        held += 1
        most = max(most, held)
        async for some in all_of(*args):
            yield some

    async def preview_of(content: bytes, pixels: int) -> bytes:
        nonlocal held
        # Others come this far, where nothing holds them up.
        for _ in range(20):
            await asyncio.sleep(0)
        held -= 1
        return await pictures(content, pixels)

    monkeypatch.setattr(Contents, "all_of", counted)
    monkeypatch.setattr("crm_kit.attachments.reading.preview_of", preview_of)
    answers = await asyncio.gather(*(files.read(user, each.id, pixels=256) for each in made * 2))
    assert [each.content for each in answers[:3]] == [each.content for each in answers[3:]]
    assert most == 1
    assert len([row for row in await rows(customer, user, parts) if row["preview_pixels"]]) == 3


async def test_who_asks_no_more_keeps_their_turn_until_the_picture_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on, ended = asyncio.Event(), threading.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def slow(_content: bytes, _pixels: int) -> bytes:
        loop.call_soon_threadsafe(begun.set)
        go_on.wait(20)
        ended.set()
        return b""

    monkeypatch.setattr(previews, "made_smaller", slow)
    asking = asyncio.create_task(previews.preview_of(b"", 256))
    await begun.wait()
    asking.cancel()
    loop.call_later(0.01, go_on.set)
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert ended.is_set()
