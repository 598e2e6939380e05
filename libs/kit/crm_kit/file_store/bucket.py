"""A bucket of whatever speaks S3 as a store of files."""

from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from crm_kit.errors import Unavailable
from crm_kit.settings import ServiceSettings

if TYPE_CHECKING:
    # Only types have them.
    from obstore.store import S3Config

# Within the time that a request has.
_SECONDS = timedelta(seconds=8)


class Bucket:
    """Objects below the path that `file_store_url` names, for example `s3://guanxi-files/production`."""

    def __init__(self, settings: ServiceSettings) -> None:
        url = urlsplit(settings.file_store_url)
        endpoint = settings.file_store_endpoint
        config: S3Config = {"bucket": url.netloc, "region": settings.file_store_region}
        if settings.file_store_access_key:
            config["access_key_id"] = settings.file_store_access_key
            config["secret_access_key"] = settings.file_store_secret_key
        if endpoint:
            # Servers that run beside others seldom have a name for each bucket.
            config["endpoint"] = endpoint
            config["virtual_hosted_style_request"] = False
        self._store = S3Store(
            prefix=url.path.strip("/") or None,
            config=config,
            client_options={"timeout": _SECONDS, "allow_http": endpoint.startswith("http://")},
            retry_config={"max_retries": 2, "retry_timeout": _SECONDS},
        )

    async def put(self, key: str, content: bytes) -> None:
        try:
            # In one request: in parts, what is broken off would stay and be counted.
            await obstore.put_async(self._store, key, content, use_multipart=False)
        except BaseError as error:
            raise _unavailable(error) from error

    async def get(self, key: str, offset: int, length: int) -> bytes:
        try:
            return bytes(await obstore.get_range_async(self._store, key, start=offset, length=length))
        except BaseError as error:
            raise _unavailable(error) from error

    async def delete(self, key: str) -> None:
        try:
            await obstore.delete_async(self._store, key)
        except FileNotFoundError:
            return
        except BaseError as error:
            raise _unavailable(error) from error


def _unavailable(error: Exception) -> Unavailable:
    """Its text has addresses and names of buckets in it, which are nobody's but the log's."""
    return Unavailable(f"the file store does not answer: {type(error).__name__}")
