"""The bytes of a request's body on their way to the service: part by part, never the whole of them."""

import contextlib
from collections.abc import AsyncIterator

from crm.resource.v1 import attachments_pb2 as pb

from crm_gateway.exchange import Disconnected, body_chunks
from crm_gateway.files.places import Place
from crm_gateway.problems import ProblemError

PART_BYTES = 1 << 20
# Services take less; this is what nobody has to look at.
MAX_BODY_BYTES = 256 << 20


async def send_body(at: Place, upload: pb.AttachmentUpload, offset: int, seconds: float) -> pb.AttachmentUpload:
    """Append the body to an upload, from `offset` on; what came before it broke off is there, too."""
    async for part in _parts(at, seconds):
        append = pb.AppendAttachmentUploadRequest(id=upload.id, offset=offset, content=part)
        upload = await at.call("AppendAttachmentUpload", append)
        offset += len(part)
    return upload


@contextlib.asynccontextmanager
async def given_up_where_it_fails(at: Place, upload: pb.AttachmentUpload) -> AsyncIterator[None]:
    """Give an upload up that nobody has been told of, when what is done in the block fails.

    It would hold its room until the next day, and another one with each repetition.
    """
    try:
        yield
    except Exception:
        # Whoever repeats it with the key is told of this upload again, and goes on with it.
        if b"idempotency-key" not in at.exchange.headers:
            with contextlib.suppress(ProblemError):
                await at.call("DeleteAttachmentUpload", pb.DeleteAttachmentUploadRequest(id=upload.id))
        raise


async def _parts(at: Place, seconds: float) -> AsyncIterator[bytes]:
    """The body in parts of 1 MiB, the last one shorter."""
    gathered = bytearray()
    broken: Exception | None = None
    try:
        async for chunk in body_chunks(at.exchange, MAX_BODY_BYTES, seconds):
            gathered += chunk
            while len(gathered) >= PART_BYTES:
                yield bytes(gathered[:PART_BYTES])
                del gathered[:PART_BYTES]
    except (Disconnected, ProblemError) as error:
        # On a line that breaks every few seconds an upload would never get on without these.
        broken = error
    if gathered:
        yield bytes(gathered)
    if broken is not None:
        raise broken
