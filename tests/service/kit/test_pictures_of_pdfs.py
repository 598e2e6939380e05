"""Pictures of PDFs whose pages take long to draw, or cannot be: who looks again, and who else waits."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from crm.resource.v1 import attachments_pb2 as pb
from crm_gateway.settings import Settings
from crm_kit.attachments import reading
from crm_kit.attachments.first_pages import BOUNDS
from crm_kit.attachments.previews import no_preview
from crm_kit.attachments.queries import size_of_preview
from msgspec.structs import fields

from tests.service.attaching import Files
from tests.service.customer.customers import new_account
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused

PDF = b"%PDF-1.7\n"
Draw = Callable[[bytes, int], Awaitable[bytes]]


async def open_files(customer: Running, user: User) -> Files:
    return Files(customer, (await new_account(customer, user)).id)


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Draw], None]:
    """Has first pages drawn otherwise."""
    return lambda draw: monkeypatch.setattr(reading, "first_page_of", draw)


async def test_a_page_that_cannot_be_drawn_is_not_tried_again_for_each_who_looks_at_the_list(
    customer: Running, drawing: Callable[[Draw], None]
) -> None:
    user = await customer.user()
    files, tried = await open_files(customer, user), []

    async def draw(_content: bytes, pixels: int) -> bytes:
        tried.append(pixels)
        await asyncio.sleep(0)
        raise no_preview("its first page takes too long to draw")

    drawing(draw)
    plan, other = [await files.attach(user, PDF + name, "plan.pdf") for name in (b"a", b"b")]

    async def look() -> None:
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
            await files.read(user, plan.id, pixels=256)
        assert "takes too long" in refusal.detail
        assert refusal.metadata["rule"] == "no_preview"

    await asyncio.gather(look(), look(), look())
    await look()
    assert tried == [256]
    # It is known of this file in this size.
    for id, pixels in ((plan.id, 1024), (other.id, 256)):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await files.read(user, id, pixels=pixels)
    assert tried == [256, 1024, 256]


async def test_pages_that_take_long_keep_one_picture_of_another_tenant_waiting_and_not_all(
    customer: Running, drawing: Callable[[Draw], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    (user, files), (stranger, theirs) = [
        (user, await open_files(customer, user)) for user in (await customer.user(), await customer.user())
    ]
    begun: list[bytes] = []
    asked: list[object] = []
    go_on = asyncio.Event()

    async def draw(content: bytes, _pixels: int) -> bytes:
        begun.append(content.removeprefix(PDF))
        await go_on.wait()
        return content

    async def looked(*args: object) -> int | None:
        asked.append(args)
        return await size_of_preview(*args)  # type: ignore[arg-type]

    drawing(draw)
    monkeypatch.setattr(reading, "size_of_preview", looked)
    slow = [await files.attach(user, PDF + b"%d" % number, "plan.pdf") for number in range(3)]
    quick = await theirs.attach(stranger, PDF + b"theirs", "letter.pdf")
    waiting: list[asyncio.Task[pb.AttachmentContent]] = []

    async def ask(by: User, of: Files, id: str, times: int) -> None:
        waiting.append(asyncio.create_task(of.read(by, id, pixels=256)))

        async def has_asked() -> bool:
            return len(asked) >= times

        await eventually(has_asked)

    # The first one is asked about again when it has its turn.
    for times, each in zip((2, 3, 4), slow, strict=True):
        await ask(user, files, each.id, times)
    await ask(stranger, theirs, quick.id, 5)
    go_on.set()
    await asyncio.gather(*waiting)
    assert begun == [b"0", b"theirs", b"1", b"2"]


def test_whoever_waits_for_a_page_hears_that_it_takes_too_long_before_their_request_ends() -> None:
    (waits,) = [each.default for each in fields(Settings) if each.name == "request_timeout"]
    assert 2 * BOUNDS.cpu_seconds < waits
