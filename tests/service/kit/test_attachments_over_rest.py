"""Files at records over REST: bare bodies, the tus protocol, downloads, ranges, links and previews."""

import io
import random
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from crm_gateway.exchange import Exchange
from crm_gateway.problems import Problem, ProblemError
from crm_gateway.shares import Share
from crm_kit.attachments.links import Links
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from tests.service.attaching import PART, TEXT, Files, picture, sha256
from tests.service.customer.customers import new_account
from tests.service.kit.test_attachments import used_bytes
from tests.service.running import Running, User
from tests.service.web import bearer, gateway

TUS = {"tus-resumable": "1.0.0"}
OFFSET = {**TUS, "content-type": "application/offset+octet-stream"}


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(name="王芳")


@pytest.fixture
async def files(customer: Running, user: User) -> Files:
    return Files(customer, (await new_account(customer, user)).id)


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


@pytest.fixture
def path(files: Files) -> str:
    return f"/v1/accounts/{files.at['record_id']}/attachments"


def metadata(**values: str) -> str:
    return ",".join(f"{key} {b64encode(value.encode()).decode()}" for key, value in values.items())


async def send(web: httpx.AsyncClient, user: User, path: str, content: bytes, **query: str) -> httpx.Response:
    return await web.post(f"{path}:upload", params=query, content=content, headers=bearer(user))


async def test_a_file_is_sent_as_a_body_and_read_back(web: httpx.AsyncClient, user: User, path: str) -> None:
    content = random.Random(3).randbytes(2 * PART + 5)
    asked = {"name": "报价单 1.bin", "description": "two pages", "sha256": sha256(content)}
    made = await send(web, user, path, content, **asked)
    assert made.status_code == 201, made.text
    one = made.json()
    assert (one["name"], one["size_bytes"], one["sha256"]) == ("报价单 1.bin", len(content), sha256(content))
    assert (one["creator_name"], one["state"], one["delete_time"]) == ("王芳", "AVAILABLE", None)
    assert made.headers["location"] == f"{path}/{one['id']}"
    assert (await web.get(f"{path}/{one['id']}", headers=bearer(user))).json() == one
    got = await web.get(f"{path}/{one['id']}:download", headers=bearer(user))
    assert (got.status_code, got.content) == (200, content)
    assert got.headers["content-disposition"] == (
        "attachment; filename=\"___ 1.bin\"; filename*=UTF-8''%E6%8A%A5%E4%BB%B7%E5%8D%95%201.bin"
    )
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert got.headers["x-content-type-options"] == "nosniff"
    listed = (await web.get(path, headers=bearer(user))).json()
    assert [each["id"] for each in listed["attachments"]] == [one["id"]]
    gone = await web.delete(f"{path}/{one['id']}", headers=bearer(user))
    assert gone.status_code == 204
    assert (await web.get(f"{path}/{one['id']}:download", headers=bearer(user))).status_code == 404


async def test_a_body_with_an_idempotency_key_is_attached_once(web: httpx.AsyncClient, user: User, path: str) -> None:
    headers = {**bearer(user), "idempotency-key": "k1"}
    first, again = [
        await web.post(f"{path}:upload", params={"name": "a.txt"}, content=TEXT, headers=headers) for _ in range(2)
    ]
    assert (first.status_code, first.json()) == (201, again.json())
    assert len((await web.get(path, headers=bearer(user))).json()["attachments"]) == 1


async def test_a_refused_file_says_why_in_the_language_asked_for(web: httpx.AsyncClient, user: User, path: str) -> None:
    for language, said in (
        ("en", "files that run something are not taken: .exe"),
        ("zh", "不接受可执行或可运行的文件：.exe。"),
    ):
        headers = {**bearer(user), "accept-language": language}
        answer = await web.post(f"{path}:upload", params={"name": "a.exe"}, content=TEXT, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (422, said)
    for name in ("", "a/b.txt"):
        answer = await send(web, user, path, TEXT, name=name)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "name")
    empty = await send(web, user, path, b"", name="a.txt")
    assert empty.status_code == 422
    assert (await web.get(path, headers=bearer(user))).json()["attachments"] == []


RANGES: tuple[tuple[str, int, bytes], ...] = (
    ("bytes=0-4", 206, TEXT[:5]),
    ("bytes=5-", 206, TEXT[5:]),
    ("bytes=-3", 206, TEXT[-3:]),
    ("bytes=2-9999", 206, TEXT[2:]),
    ("bytes=0-0,4-5", 200, TEXT),
    ("lines=1-2", 200, TEXT),
    ("bytes=9-2", 200, TEXT),
    (f"bytes={len(TEXT)}-", 416, b""),
    ("bytes=-0", 416, b""),
)


@pytest.mark.parametrize(("asked", "status", "content"), RANGES)
async def test_a_range_of_a_file_is_read(
    web: httpx.AsyncClient, user: User, files: Files, path: str, asked: str, status: int, content: bytes
) -> None:
    one = f"{path}/{(await files.attach(user)).id}:download"
    answer = await web.get(one, headers={**bearer(user), "range": asked})
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["content-range"] == f"bytes */{len(TEXT)}"
        assert answer.json()["reason"] == "RANGE_NOT_SATISFIABLE"
        return
    assert answer.content == content
    assert answer.headers["content-length"] == str(len(content))
    first = TEXT.index(content)
    told = f"bytes {first}-{first + len(content) - 1}/{len(TEXT)}" if status == 206 else None
    assert answer.headers.get("content-range") == told


async def test_a_file_that_is_known_is_not_sent_again(
    web: httpx.AsyncClient, user: User, files: Files, path: str
) -> None:
    one = f"{path}/{(await files.attach(user)).id}:download"
    first = await web.get(one, headers=bearer(user))
    again = await web.get(one, headers={**bearer(user), "if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await web.head(one, headers=bearer(user))
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(TEXT)))
    other = await web.get(one, headers={**bearer(user), "range": "bytes=0-3", "if-range": '"other"'})
    assert (other.status_code, other.content) == (200, TEXT)


async def test_nothing_that_a_browser_runs_is_shown_in_place(
    web: httpx.AsyncClient, user: User, files: Files, path: str
) -> None:
    shown = {
        ("a.png", picture(2, 2)): ("image/png", "inline"),
        ("a.html", b"<script>alert(1)</script>"): ("application/octet-stream", "attachment"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"): ("application/octet-stream", "attachment"),
        ("a.xhtml", b"<html/>"): ("application/octet-stream", "attachment"),
        ("a.txt", b"<script>alert(1)</script>"): ("text/plain", "attachment"),
        ("a.pdf", b"%PDF-1.7\n" + bytes(9)): ("application/pdf", "attachment"),
        ("page", b"<html><script>alert(1)</script></html>"): ("application/octet-stream", "attachment"),
    }
    for (name, content), (media, kind) in shown.items():
        one = f"{path}/{(await files.attach(user, content, name)).id}:download"
        answer = await web.get(one, headers=bearer(user))
        told = answer.headers["content-type"].partition(";")[0]
        assert (name, told) == (name, media)
        assert answer.headers["content-disposition"].partition(";")[0] == kind
        assert answer.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_a_link_reads_one_file_for_five_minutes_with_the_rights_of_who_made_it(
    web: httpx.AsyncClient, customer: Running, user: User, files: Files, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, other = await files.attach(user), await files.attach(user)
    maker = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    link = (await web.get(f"{path}/{made.id}:link", headers=bearer(maker))).json()["path"]
    assert (await web.get(link)).content == TEXT
    assert (await web.get(link, headers={"range": "bytes=0-3"})).content == TEXT[:4]
    # Of another file, or with another letter, it is none.
    for wrong in (
        link.replace(made.id, other.id),
        link[:-9] + ("A" if link[-9] != "A" else "B") + link[-8:],
        link[:-4],
    ):
        answer = await web.get(wrong)
        assert (answer.status_code, answer.json()["reason"]) == (422, "ATTACHMENT_LINK_INVALID")
    with monkeypatch.context() as patched:
        real = Links.read

        def later(self: Any, sent: str, of: Any, *, now: Any) -> Any:
            return real(self, sent, of, now=now + timedelta(minutes=5))

        patched.setattr(Links, "read", later)
        assert (await web.get(link)).json()["reason"] == "ATTACHMENT_LINK_INVALID"
    leaver = await customer.user(user.tenant_id)
    left = (await web.get(f"{path}/{made.id}:link", headers=bearer(leaver))).json()["path"]
    # Who has no rights any more, and who is gone, reads nothing by links that were made before.
    await customer.change_user(maker)
    await customer.change_user(leaver, active=False)
    customer.service.directory.forget(user.tenant_id)
    assert (await web.get(link)).status_code == 403
    assert (await web.get(left)).json()["reason"] == "ATTACHMENT_LINK_INVALID"


async def test_a_link_is_over_by_the_clock_of_machines_whatever_a_sandbox_shows(
    web: httpx.AsyncClient, customer: Running
) -> None:
    tenant = await customer.tenant(sandbox=True)
    await customer.know_tenant(tenant, sandbox=True, clock_offset=timedelta(days=30), version=2)
    user = await customer.user(tenant)
    files = Files(customer, (await new_account(customer, user)).id)
    link = await files.link(user, (await files.attach(user)).id)
    left = link.expire_time.ToDatetime(system_now().tzinfo) - system_now()
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
    assert (await web.get(link.path)).content == TEXT


async def test_images_have_small_pictures(web: httpx.AsyncClient, user: User, files: Files, path: str) -> None:
    made = await files.attach(user, picture(1500, 600), "photo.png")
    assert made.has_preview
    one = f"{path}/{made.id}:download"
    for pixels, size in ((256, (256, 102)), (1024, (1024, 410))):
        answers = [await web.get(one, params={"preview": str(pixels)}, headers=bearer(user)) for _ in range(2)]
        assert [each.status_code for each in answers] == [200, 200]
        assert answers[0].content == answers[1].content
        assert answers[0].headers["content-type"] == "image/webp"
        assert Image.open(io.BytesIO(answers[0].content)).size == size
    assert (await web.get(one, params={"preview": "77"}, headers=bearer(user))).status_code == 400
    text = f"{path}/{(await files.attach(user)).id}:download"
    refused = await web.get(text, params={"preview": "256"}, headers=bearer(user))
    assert (refused.status_code, refused.json()["reason"]) == (409, "ILLEGAL_STATE")


async def test_a_pdf_has_a_picture_of_its_first_page_or_a_reason_why_not(
    web: httpx.AsyncClient, user: User, files: Files, path: str
) -> None:
    page = io.BytesIO()
    canvas = Canvas(page, pagesize=(300, 600))
    canvas.rect(0, 0, 300, 600, fill=1)
    canvas.save()
    made = await files.attach(user, page.getvalue(), "合同.pdf")
    assert (made.has_preview, made.content_type) == (True, "application/pdf")
    answer = await web.get(f"{path}/{made.id}:download", params={"preview": "256"}, headers=bearer(user))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    shown = Image.open(io.BytesIO(answer.content)).convert("L")
    assert (shown.size, shown.getextrema()) == ((128, 256), (0, 0))
    broken = f"{path}/{(await files.attach(user, b'%PDF-1.7' + bytes(99), 'broken.pdf')).id}:download"
    for _ in range(2):
        refused = await web.get(broken, params={"preview": "256"}, headers=bearer(user))
        assert (refused.status_code, refused.json()["reason"]) == (409, "ILLEGAL_STATE")
        assert "not a sound PDF" in refused.json()["detail"]


async def test_an_image_that_is_more_than_it_seems_has_no_preview(
    web: httpx.AsyncClient, user: User, files: Files, path: str
) -> None:
    bombs = {"bomb.png": picture(9000, 9000), "broken.png": picture(20, 20)[:50] + bytes(40)}
    for name, content in bombs.items():
        one = f"{path}/{(await files.attach(user, content, name)).id}:download"
        answer = await web.get(one, params={"preview": "256"}, headers=bearer(user))
        assert (name, answer.status_code) == (name, 409)
        assert (await web.get(one, headers=bearer(user))).content == content


async def test_a_file_comes_by_the_tus_protocol(web: httpx.AsyncClient, user: User, files: Files) -> None:
    content = random.Random(5).randbytes(PART + 9)
    at, me = f"/v1/files/accounts/{files.at['record_id']}", bearer(user)
    told = metadata(filename="录音 1.bin", description="a call", sha256=sha256(content))
    begun = await web.post(at, headers={**me, **TUS, "upload-length": str(len(content)), "upload-metadata": told})
    assert (begun.status_code, begun.headers["upload-offset"], begun.headers["tus-resumable"]) == (201, "0", "1.0.0")
    assert begun.headers["upload-expires"].endswith("GMT")
    one = begun.headers["location"]
    part = await web.patch(one, content=content[:1000], headers={**me, **OFFSET, "upload-offset": "0"})
    assert (part.status_code, part.headers["upload-offset"]) == (204, "1000")
    head = await web.head(one, headers={**me, **TUS})
    assert (head.status_code, head.headers["upload-offset"], head.headers["upload-length"]) == (
        200,
        "1000",
        str(len(content)),
    )
    assert head.headers["cache-control"] == "no-store"
    wrong = await web.patch(one, content=content[:10], headers={**me, **OFFSET, "upload-offset": "0"})
    assert (wrong.status_code, wrong.json()["reason"]) == (409, "UPLOAD_OFFSET_MISMATCH")
    last = await web.patch(one, content=content[1000:], headers={**me, **OFFSET, "upload-offset": "1000"})
    assert (last.status_code, last.headers["upload-offset"]) == (204, str(len(content)))
    made = (await files.list(user))[0]
    assert (made.name, made.description, one.rpartition("/")[2]) == ("录音 1.bin", "a call", made.id)
    assert await files.bytes_of(user, made.id) == content


async def test_tus_clients_learn_what_is_spoken_and_what_is_wrong(
    web: httpx.AsyncClient, user: User, files: Files
) -> None:
    at, me = f"/v1/files/accounts/{files.at['record_id']}", bearer(user)
    spoken = await web.options(at)
    assert (spoken.status_code, spoken.headers["tus-version"]) == (204, "1.0.0")
    assert "creation" in spoken.headers["tus-extension"].split(",")
    told = {"upload-length": "5", "upload-metadata": metadata(filename="a.txt")}
    for headers, status in (
        ({**told}, 412),
        ({**told, "tus-resumable": "0.2.2"}, 412),
        ({**TUS, "upload-metadata": told["upload-metadata"]}, 400),
        ({**TUS, **told, "upload-length": "-1"}, 400),
        ({**TUS, **told, "upload-metadata": "filename !!!"}, 400),
        ({**TUS, "upload-length": "5"}, 422),
        ({**TUS, **told, "upload-length": "99999999999"}, 422),
    ):
        assert (await web.post(at, headers={**me, **headers})).status_code == status
    assert (await web.post(at, headers={**TUS, **told})).status_code == 401
    unknown = at.replace("accounts", "roles")
    assert (await web.post(unknown, headers={**me, **TUS, **told})).status_code == 404
    whole = await web.post(at, content=b"hello", headers={**me, **OFFSET, **told})
    assert (whole.status_code, whole.headers["upload-offset"]) == (201, "5")
    begun = await web.post(at, headers={**me, **TUS, **told})
    one = begun.headers["location"]
    media = await web.patch(one, content=b"hello", headers={**me, **TUS, "upload-offset": "0"})
    assert media.status_code == 415
    assert (await web.delete(one, headers={**me, **TUS})).status_code == 204
    assert (await web.head(one, headers={**me, **TUS})).status_code == 404


async def test_what_came_before_a_line_broke_is_kept(web: httpx.AsyncClient, user: User, files: Files) -> None:
    at, me = f"/v1/files/accounts/{files.at['record_id']}", bearer(user)
    told = {"upload-length": str(len(TEXT)), "upload-metadata": metadata(filename="a.txt")}
    one = (await web.post(at, headers={**me, **TUS, **told})).headers["location"]

    class Broken(Exception):
        pass

    async def breaking() -> AsyncIterator[bytes]:
        yield TEXT[:7]
        raise Broken

    with pytest.raises(Broken):
        await web.patch(one, content=breaking(), headers={**me, **OFFSET, "upload-offset": "0"})
    head = await web.head(one, headers={**me, **TUS})
    assert head.status_code == 200
    rest = int(head.headers["upload-offset"])
    await web.patch(one, content=TEXT[rest:], headers={**me, **OFFSET, "upload-offset": str(rest)})
    assert await files.bytes_of(user, one.rpartition("/")[2]) == TEXT


async def test_an_upload_that_is_begun_and_not_told_of_holds_no_room(
    web: httpx.AsyncClient, customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, said = f"/v1/files/accounts/{files.at['record_id']}", metadata(filename="a.txt")
    begins = {**bearer(user), **OFFSET, "upload-length": "5000", "upload-metadata": said}

    class Broken(Exception):
        pass

    async def breaking() -> AsyncIterator[bytes]:
        yield TEXT
        raise Broken

    with pytest.raises(Broken):
        await web.post(at, content=breaking(), headers=begins)
    monkeypatch.setattr("crm_gateway.shares.Share.take", refuses)
    assert (await web.post(at, content=TEXT, headers=begins)).status_code == 429
    assert await used_bytes(customer, user) == 0


def refuses(_share: Share, _owner: str, exchange: Exchange) -> None:
    """As when too many uploads are under way."""
    if exchange.headers.get(b"content-type"):
        raise ProblemError(Problem(429, "RATE_LIMITED"))


async def test_a_name_full_of_signs_stays_a_name(web: httpx.AsyncClient, user: User, path: str) -> None:
    name = "\"><svg onload=alert(1)>; filename=x.exe'%0d%0a 100%.txt"
    made = (await send(web, user, path, TEXT, name=name)).json()
    assert made["name"] == name
    told = (await web.get(f"{path}/{made['id']}:download", headers=bearer(user))).headers["content-disposition"]
    assert told == (
        "attachment; filename=\"_><svg onload=alert(1)>; filename=x.exe'_0d_0a 100_.txt\"; filename*=UTF-8''"
        + quote(name, safe="")
    )
