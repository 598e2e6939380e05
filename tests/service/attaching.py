"""Files at records for tests, by gRPC."""

import hashlib
import io
from typing import Any

from crm.resource.v1 import attachments_pb2 as pb
from crm.resource.v1.attachments_pb2_grpc import AttachmentServiceStub
from PIL import Image

from tests.service.running import Running, User

PART = 1 << 20
TEXT = b"what they agreed on\n"


class Files:
    """The attachments of a record, an account unless told otherwise."""

    def __init__(self, service: Running, record_id: str, collection: str = "accounts") -> None:
        self.stub = AttachmentServiceStub(service.channel)
        self.at: dict[str, Any] = {"collection": collection, "record_id": record_id}

    async def begin(
        self, by: User, name: str = "minutes.txt", size: int = len(TEXT), **more: Any
    ) -> pb.AttachmentUpload:
        request = pb.CreateAttachmentUploadRequest(name=name, size_bytes=size, **self.at, **more)
        answer: pb.AttachmentUpload = await self.stub.CreateAttachmentUpload(request, metadata=by.metadata)
        return answer

    async def append(self, by: User, id: str, offset: int, content: bytes) -> pb.AttachmentUpload:
        request = pb.AppendAttachmentUploadRequest(id=id, offset=offset, content=content, **self.at)
        answer: pb.AttachmentUpload = await self.stub.AppendAttachmentUpload(request, metadata=by.metadata)
        return answer

    async def upload(self, by: User, id: str) -> pb.AttachmentUpload:
        request = pb.GetAttachmentUploadRequest(id=id, **self.at)
        answer: pb.AttachmentUpload = await self.stub.GetAttachmentUpload(request, metadata=by.metadata)
        return answer

    async def attach(self, by: User, content: bytes = TEXT, name: str = "minutes.txt", **more: Any) -> pb.Attachment:
        upload = await self.begin(by, name, len(content), **more)
        for offset in range(0, len(content), PART):
            upload = await self.append(by, upload.id, offset, content[offset : offset + PART])
        assert upload.complete
        return await self.get(by, upload.id)

    async def get(self, by: User, id: str) -> pb.Attachment:
        answer: pb.Attachment = await self.stub.GetAttachment(
            pb.GetAttachmentRequest(id=id, **self.at), metadata=by.metadata
        )
        return answer

    async def list(self, by: User, **asked: Any) -> list[pb.Attachment]:
        page = await self.stub.ListAttachments(pb.ListAttachmentsRequest(**self.at, **asked), metadata=by.metadata)
        return list(page.attachments)

    async def read(self, by: User, id: str, offset: int = 0, length: int = 0, pixels: int = 0) -> pb.AttachmentContent:
        request = pb.ReadAttachmentRequest(id=id, offset=offset, length=length, preview_pixels=pixels, **self.at)
        answer: pb.AttachmentContent = await self.stub.ReadAttachment(request, metadata=by.metadata)
        return answer

    async def bytes_of(self, by: User, id: str) -> bytes:
        content = b""
        while part := (await self.read(by, id, len(content))).content:
            content += part
        return content

    async def delete(self, by: User, id: str, etag: str = "") -> None:
        request = pb.DeleteAttachmentRequest(id=id, etag=etag, **self.at)
        await self.stub.DeleteAttachment(request, metadata=by.metadata)

    async def link(self, by: User, id: str) -> pb.AttachmentLink:
        request = pb.GetAttachmentLinkRequest(id=id, **self.at)
        answer: pb.AttachmentLink = await self.stub.GetAttachmentLink(request, metadata=by.metadata)
        return answer


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def picture(width: int, height: int, kind: str = "PNG") -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(written, kind)
    return written.getvalue()
