"""A folder as a store of files."""

import asyncio
import contextlib
import os
from pathlib import Path

from crm_kit.errors import Unavailable

_BEING_WRITTEN = ".part"


class Folder:
    """Objects as files below a folder, those of a tenant spread over 256 folders. What is written survives a crash."""

    def __init__(self, path: str) -> None:
        self._root = Path(path)

    async def put(self, key: str, content: bytes) -> None:
        await asyncio.to_thread(self._put, self._path(key), content)

    async def get(self, key: str, offset: int, length: int) -> bytes:
        return await asyncio.to_thread(self._get, self._path(key), offset, length)

    async def delete(self, key: str) -> None:
        await asyncio.to_thread(self._delete, self._path(key))

    def _path(self, key: str) -> Path:
        above, _, name = key.rpartition("/")
        return self._root / above / name[-2:] / name

    def _put(self, path: Path, content: bytes) -> None:
        try:
            made = not path.parent.is_dir()
            path.parent.mkdir(parents=True, exist_ok=True)
            written = path.with_suffix(_BEING_WRITTEN)
            with written.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            written.rename(path)
            _sync_folder(path.parent)
            if made:
                for above in list(path.parents)[1:4]:
                    _sync_folder(above)
        except OSError as error:
            raise Unavailable("the folder of files cannot be written to") from error

    def _get(self, path: Path, offset: int, length: int) -> bytes:
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise Unavailable(f"the folder of files cannot be read: {type(error).__name__}") from error

    def _delete(self, path: Path) -> None:
        try:
            for each in (path, path.with_suffix(_BEING_WRITTEN)):
                with contextlib.suppress(FileNotFoundError):
                    each.unlink()
        except OSError as error:
            raise Unavailable("the folder of files cannot be written to") from error


def _sync_folder(path: Path) -> None:
    """Have the names in a folder survive a crash, as its files do."""
    if not path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
