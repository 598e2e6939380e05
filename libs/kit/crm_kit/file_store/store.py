"""Where the bytes of files are: a folder of this machine, or a bucket that speaks S3."""

from typing import Protocol
from urllib.parse import unquote, urlsplit

from crm_kit.errors import FailedPrecondition
from crm_kit.settings import ServiceSettings


class FileStore(Protocol):
    """Objects by their key, such as `customer/<tenant>/<random>`; nothing a user writes is in one.

    Each is written once and never changed. Unavailable where the store does not answer, or has no room.
    """

    async def put(self, key: str, content: bytes) -> None:
        """Keep an object: whole and for good once this returns, and not at all to be seen before."""
        ...

    async def get(self, key: str, offset: int, length: int) -> bytes:
        """Bytes of an object; Unavailable where there is none, too, since one that is asked for was there."""
        ...

    async def delete(self, key: str) -> None:
        """Forget an object, and whatever a `put` that was broken off left of it; nothing, where there is none."""
        ...


class NoStore:
    """Of an installation that keeps no files."""

    async def put(self, key: str, content: bytes) -> None:
        raise no_store()

    async def get(self, key: str, offset: int, length: int) -> bytes:
        raise no_store()

    async def delete(self, key: str) -> None:
        raise no_store()


def no_store() -> FailedPrecondition:
    """The error for what needs a store where there is none."""
    detail = "this installation keeps no files: file_store_url is not set"
    return FailedPrecondition(detail, metadata={"rule": "no_file_store"})


def open_store(settings: ServiceSettings) -> FileStore:
    """The store that the settings name; opened when it is first used."""
    if not settings.file_store_url:
        return NoStore()
    url = urlsplit(settings.file_store_url)
    if url.scheme == "file":
        from crm_kit.file_store.folder import Folder

        return Folder(unquote(url.path))
    from crm_kit.file_store.bucket import Bucket

    return Bucket(settings)
