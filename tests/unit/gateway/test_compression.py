"""Answers in gzip: who gets them, which answers they are, and what becomes of their etags."""

import gzip
from collections.abc import AsyncIterator

import httpx
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm_gateway.compression import MAX_BYTES_AT_ONCE, MIN_BYTES, accepts_gzip, gzipped, is_worth_it
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gateway.account_service import ID, AccountService, running

URL = f"/v1/accounts/{ID}"
IDENTITY = {"accept-encoding": "identity"}
GZIP = {"accept-encoding": "gzip"}


class Verbose(AccountService):
    """Knows much of its account."""

    preferences = "green tea " * 400

    async def GetAccount(self, request: pb.GetAccountRequest, context: object) -> pb.Account:
        await self._note(request, context)
        return pb.Account(id=request.id, etag="7", preferences=self.preferences)


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with running(Verbose(), rate_limit_token=0, cors_allowed_origins=("https://front.example",)) as client:
        yield client


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (None, False),
        (b"", False),
        (b"gzip", True),
        (b"br, GZIP;q=0.5", True),
        (b"deflate , x-gzip", True),
        (b"*", True),
        (b"gzip;q=0", False),
        (b"gzip ; q=0.000, *", False),
        (b"identity, *;q=0", False),
        (b"gzip;q=0.001", True),
        (b"br", False),
    ],
)
def test_gzip_is_for_who_accepts_it(header: bytes | None, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted


@pytest.mark.parametrize(
    ("media_type", "worth_it"),
    [
        (b"application/json", True),
        (b"application/problem+json", True),
        (b"text/html; charset=utf-8", True),
        (b"text/csv", True),
        (b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", False),
        (b"application/octet-stream", False),
        (b"image/png", False),
        (b"", False),
    ],
)
def test_only_text_is_compressed(media_type: bytes, worth_it: bool) -> None:
    headers = [(b"content-type", media_type)]
    assert is_worth_it(headers, MIN_BYTES) is worth_it
    assert not is_worth_it(headers, MIN_BYTES - 1)
    assert not is_worth_it([*headers, (b"content-encoding", b"br")], MIN_BYTES)


@given(body=st.binary(max_size=5000))
async def test_a_body_comes_back_from_gzip(body: bytes) -> None:
    assert gzip.decompress(await gzipped(body)) == body


async def test_a_large_body_comes_back_too() -> None:
    body = b"abc " * MAX_BYTES_AT_ONCE
    assert gzip.decompress(await gzipped(body)) == body


async def test_a_large_answer_is_compressed_and_says_so(client: httpx.AsyncClient) -> None:
    plain = await client.get(URL, headers=IDENTITY)
    coded = await client.get(URL, headers=GZIP)
    assert "content-encoding" not in plain.headers
    assert coded.headers["content-encoding"] == "gzip"
    assert coded.json() == plain.json()
    assert int(coded.headers["content-length"]) * 5 < int(plain.headers["content-length"]) == len(plain.content)


async def test_a_small_answer_is_left_as_it_is(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/accounts", headers=GZIP)
    assert (answer.status_code, "content-encoding" in answer.headers) == (200, False)


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_pages_are_compressed(client: httpx.AsyncClient, path: str) -> None:
    plain, coded = [await client.get(path, headers=headers) for headers in (IDENTITY, GZIP)]
    assert coded.headers["content-encoding"] == "gzip"
    assert coded.content == plain.content


async def test_every_answer_says_what_it_varies_by(client: httpx.AsyncClient) -> None:
    for headers in (IDENTITY, GZIP, {"if-none-match": '"7"'}):
        answer = await client.get(URL, headers=headers)
        assert answer.headers.get_list("vary") == ["Accept-Encoding, Origin"]


async def test_a_head_tells_the_size_of_what_a_get_would_send(client: httpx.AsyncClient) -> None:
    head, get = await client.head(URL, headers=GZIP), await client.get(URL, headers=GZIP)
    assert (head.headers["content-length"], head.content) == (get.headers["content-length"], b"")


async def test_a_compressed_answer_has_an_etag_of_its_own_that_is_as_good(client: httpx.AsyncClient) -> None:
    plain = (await client.get(URL, headers=IDENTITY)).headers["etag"]
    coded = (await client.get(URL, headers=GZIP)).headers["etag"]
    assert coded == f'{plain[:-1]}-gzip"'
    for tag in (plain, coded, f"W/{coded}", f'"6", {coded}'):
        again = await client.get(URL, headers=GZIP | {"if-none-match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == tag.removeprefix("W/").removeprefix('"6", ')
    changed = await client.get(URL, headers=GZIP | {"if-none-match": '"6-gzip"'})
    assert changed.status_code == 200


async def test_the_etag_of_a_compressed_answer_guards_a_change(client: httpx.AsyncClient) -> None:
    answer = await client.patch(URL, json={"display_name": "x"}, headers={"if-match": '"7-gzip"'})
    assert answer.json()["etag"] == "7"
