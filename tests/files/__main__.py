"""Files in an S3 server, sent by the client that front ends use; needs npm and its registry.

    .venv/bin/python -m tests.files     prints a line a step; exits with 1 at the first that fails

s3rver, which speaks S3, keeps the objects; tus-js-client sends a file in one go, and another
that is broken off and resumed. Versions are pinned in package.json beside this file, and locked.
"""

import asyncio
import contextlib
import hashlib
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import httpx
from crm_kit.errors import Unavailable
from crm_kit.file_store.bucket import Bucket
from crm_kit.settings import ServiceSettings
from crm_local.testing import Platform, platform_for_tests

from tests.load.meter import peak_mebibytes, resident_mebibytes

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parents[1] / "build" / "files"
BUCKET = "guanxi"
# Those that s3rver knows.
ACCESS_KEY, SECRET_KEY = "S3RVER", "S3RVER"
MEBIBYTE = 1 << 20
SIZE = 64 * MEBIBYTE


def main() -> int:
    try:
        install()
        asyncio.run(check())
    except (AssertionError, subprocess.CalledProcessError, httpx.HTTPError) as failure:
        told(f"files: not well: {failure!r}")
        return 1
    told("files: well")
    return 0


def told(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def install() -> None:
    """The programs of package.json, in the build folder."""
    shutil.rmtree(FOLDER / "objects", ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", "send.mjs"):
        shutil.copy(HERE / name, FOLDER / name)
    npm = shutil.which("npm") or "npm"
    subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=FOLDER, check=True, capture_output=True)


async def check() -> None:
    async with s3_server() as endpoint:
        await check_bucket(endpoint)
        given = {
            "CRM_FILE_STORE_URL": f"s3://{BUCKET}/platform",
            "CRM_FILE_STORE_ENDPOINT": endpoint,
            "CRM_FILE_STORE_ACCESS_KEY": ACCESS_KEY,
            "CRM_FILE_STORE_SECRET_KEY": SECRET_KEY,
        }
        async with platform_for_tests(given=given) as platform:
            await check_platform(platform, "S3 server")
    async with platform_for_tests() as platform:
        await check_platform(platform, "folder")


@contextlib.asynccontextmanager
async def s3_server() -> AsyncIterator[str]:
    """The address of an S3 server with a bucket, on this machine alone."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    program = FOLDER / "node_modules" / ".bin" / "s3rver"
    arguments = ("-d", FOLDER / "objects", "-a", "127.0.0.1", "-p", str(port), "--configure-bucket", BUCKET, "-s")
    server = await asyncio.create_subprocess_exec(program, *arguments, stdout=asyncio.subprocess.DEVNULL)
    try:
        await answering(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        await server.wait()


async def answering(port: int) -> None:
    """Wait until somebody listens there."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def settings(endpoint: str, access_key: str = ACCESS_KEY) -> ServiceSettings:
    """Those of a service, of which only the store's matter."""
    return ServiceSettings(
        database_url="postgresql://nobody@localhost/none",
        nats_url="nats://localhost:1",
        customer_address="localhost:1",
        sales_address="localhost:1",
        service_desk_address="localhost:1",
        scoring_address="localhost:1",
        issuer="http://localhost",
        page_token_key="k" * 16,
        file_store_url=f"s3://{BUCKET}/check",
        file_store_endpoint=endpoint,
        file_store_access_key=access_key,
        file_store_secret_key=SECRET_KEY,
    )


async def check_bucket(endpoint: str) -> None:
    """What a store promises, of the bucket."""
    bucket = Bucket(settings(endpoint))
    content = random.Random(1).randbytes(MEBIBYTE)
    await bucket.put("a/b/c", content)
    assert await bucket.get("a/b/c", 0, MEBIBYTE) == content
    assert await bucket.get("a/b/c", 1000, 24) == content[1000:1024]
    for _ in range(2):
        await bucket.delete("a/b/c")
    wrong, away = Bucket(settings(endpoint, "nobody")), Bucket(settings("http://127.0.0.1:9"))
    await refused(bucket.get("a/b/c", 0, 1), FileNotFoundError)
    await refused(wrong.put("a/b/c", content), Unavailable)
    await refused(away.put("a/b/c", content), Unavailable)
    told("bucket: put, read in parts, deleted twice; what is absent, refused or away is said")


async def refused(attempt: Awaitable[object], error: type[Exception]) -> None:
    """AssertionError unless it fails so."""
    try:
        await attempt
    except error:
        return
    raise AssertionError(f"{error.__name__} is missing")


async def check_platform(platform: Platform, store: str) -> None:
    """A file by tus-js-client, in one go and broken off, comes back as it was."""
    async with httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=60) as client:
        signed_in = await client.post("/v1/auth:token", json=platform.demo_login)
        client.headers["authorization"] = f"Bearer {signed_in.json()['access_token']}"
        account = await client.post("/v1/accounts", json={"kind": "ORGANIZATION", "display_name": "Files"})
        id = account.raise_for_status().json()["id"]
        file = FOLDER / "film.bin"
        file.write_bytes(random.Random(2).randbytes(SIZE))
        gateway = platform.sighting("gateway").pid
        before = resident_mebibytes(gateway)
        for breaks in ("no", "yes"):
            began = time.perf_counter()
            await sent(platform, client, id, file, breaks)
            seconds = time.perf_counter() - began
            how = "broken off and resumed" if breaks == "yes" else "in one go"
            told(f"{store}: {SIZE >> 20} MiB {how}: {SIZE / MEBIBYTE / seconds:.0f} MiB/s")
        began = time.perf_counter()
        files = (await client.get(f"/v1/accounts/{id}/attachments")).raise_for_status().json()["attachments"]
        assert len(files) == 2
        for each in files:
            got = await client.get(f"/v1/accounts/{id}/attachments/{each['id']}:download")
            assert hashlib.sha256(got.content).hexdigest() == each["sha256"]
            assert got.content == file.read_bytes()
        rate = 2 * SIZE / MEBIBYTE / (time.perf_counter() - began)
        told(f"{store}: read back at {rate:.0f} MiB/s")
        peak = peak_mebibytes(gateway)
        told(f"{store}: the gateway had {before:.0f} MiB before, {peak:.0f} MiB at most")
        assert peak - before < SIZE >> 20


async def sent(platform: Platform, client: httpx.AsyncClient, id: str, file: Path, breaks: str) -> None:
    """Send a file as front ends do."""
    endpoint = f"{platform.rest_url}/v1/files/accounts/{id}"
    token = client.headers["authorization"].removeprefix("Bearer ")
    node = shutil.which("node") or "node"
    process = await asyncio.create_subprocess_exec(
        node, "send.mjs", endpoint, token, file, breaks, cwd=FOLDER, stdout=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(120):
        assert await process.wait() == 0


if __name__ == "__main__":
    sys.exit(main())
