"""AttachmentService: from message to command or query and back, for the collections of one service."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm.resource.v1 import attachments_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from crm_kit.attachments import commands
from crm_kit.attachments.contents import Contents
from crm_kit.attachments.links import LASTS, Link, Links, path_of_file
from crm_kit.attachments.model import Upload
from crm_kit.attachments.place import Place
from crm_kit.attachments.queries import find_attachment, get_attachment, get_upload
from crm_kit.attachments.reading import content_of
from crm_kit.attachments.resource import ATTACHMENTS, OF_RECORD
from crm_kit.database.work import Reader, ReadSession, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.errors import NotFound, Unauthenticated
from crm_kit.identity.access import SERVICE_USER, Actor
from crm_kit.paging import PageTokens
from crm_kit.resource.writing import Resource
from crm_kit.rpc.methods import PUBLIC
from crm_kit.settings import ServiceSettings

AnyResource = Resource[Any, Any]


class AttachmentServicer:
    contract = pb.DESCRIPTOR.services_by_name["AttachmentService"]

    def __init__(
        self,
        resources: Iterable[AnyResource],
        directory: Directory,
        contents: Contents,
        tokens: PageTokens,
        settings: ServiceSettings,
    ) -> None:
        self._resources = {each.collection: each for each in resources if each.takes_files}
        self._directory = directory
        self._contents = contents
        self._tokens = tokens
        self._links = Links(settings.page_token_key.encode())
        self._settings = settings

    async def CreateAttachmentUpload(
        self, request: pb.CreateAttachmentUploadRequest, work: UnitOfWork
    ) -> pb.AttachmentUpload:
        at = await self._at(request, work)
        return upload_to_pb(await commands.create_upload(work, at, request, **bounds_of(self._settings)))

    async def AppendAttachmentUpload(
        self, request: pb.AppendAttachmentUploadRequest, work: UnitOfWork
    ) -> pb.AttachmentUpload:
        at, id = await self._at(request, work), UUID(request.id)
        upload = await commands.append_upload(work, at, self._contents, id, request.offset, request.content)
        # Where it has become an attachment, that is read back.
        await work.flush()
        return await self._uploaded(work, upload)

    async def GetAttachmentUpload(self, request: pb.GetAttachmentUploadRequest, reader: Reader) -> pb.AttachmentUpload:
        at = await self._at(request, reader)
        return await self._uploaded(reader, await get_upload(reader, *at.record, UUID(request.id)))

    async def DeleteAttachmentUpload(self, request: pb.DeleteAttachmentUploadRequest, work: UnitOfWork) -> Empty:
        at = await self._at(request, work)
        commands.delete_upload(work, await get_upload(work, *at.record, UUID(request.id)))
        return Empty()

    async def GetAttachment(self, request: pb.GetAttachmentRequest, reader: Reader) -> pb.Attachment:
        at = await self._at(request, reader)
        return ATTACHMENTS.message(reader, await get_attachment(reader, *at.record, UUID(request.id)))

    async def ListAttachments(self, request: pb.ListAttachmentsRequest, reader: Reader) -> pb.ListAttachmentsResponse:
        collection, record_id = (await self._at(request, reader)).record
        binds, response = {"collection": collection, "record_id": record_id}, pb.ListAttachmentsResponse
        return await ATTACHMENTS.list(reader, request, response, self._tokens, listing=OF_RECORD, binds=binds)

    async def DeleteAttachment(self, request: pb.DeleteAttachmentRequest, work: UnitOfWork) -> Empty:
        at = await self._at(request, work)
        before = await find_attachment(work, *at.record, UUID(request.id), etag=request.etag)
        await commands.delete_attachment(work, at, before)
        return Empty()

    async def ReadAttachment(self, request: pb.ReadAttachmentRequest, reader: ReadSession) -> pb.AttachmentContent:
        return await self._read(request, reader)

    async def GetAttachmentLink(self, request: pb.GetAttachmentLinkRequest, reader: ReadSession) -> pb.AttachmentLink:
        at = await self._at(request, reader)
        await get_attachment(reader, *at.record, UUID(request.id))
        actor = reader.actor
        # By the clock of machines, whatever that of a sandbox shows: who uses the link brings no tenant.
        link = Link(actor.tenant_id, actor.user_id, reader.now - actor.access.clock_offset + LASTS)
        answer = pb.AttachmentLink(path=path_of_file(self._links, link, path_of(request)))
        answer.expire_time.FromDatetime(link.expire_time)
        return answer

    async def ReadLinkedAttachment(
        self, request: pb.ReadLinkedAttachmentRequest, reader: ReadSession
    ) -> pb.AttachmentContent:
        link = self._links.read(request.link, path_of(request), now=reader.now)
        try:
            actor = await self._maker(link)
        except Unauthenticated:
            raise self._links.invalid() from None
        scope = actor.access.scope(self._of(request).permission)
        now = reader.now + actor.access.clock_offset
        return await self._read(request, ReadSession(reader.database, actor, scope=scope, now=now))

    async def _maker(self, link: Link) -> Actor:
        """Who reads by a link: whoever made it, with what they may by now."""
        if link.user_id == SERVICE_USER:
            return await self._directory.service(link.tenant_id)
        return await self._directory.user(link.tenant_id, link.user_id)

    def permission_of(self, request: Any) -> str:
        """What a request needs: the permission to read the collection that it names, unless a link has seen to that."""
        return PUBLIC if isinstance(request, pb.ReadLinkedAttachmentRequest) else self._of(request).permission

    async def _read(self, request: Any, reader: ReadSession) -> pb.AttachmentContent:
        at = await self._at(request, reader)
        found = await get_attachment(reader, *at.record, UUID(request.id))
        return await content_of(reader, self._contents, found, request)

    async def _uploaded(self, reader: Reader, upload: Upload) -> pb.AttachmentUpload:
        """An upload, and where the attachment is that it has become."""
        message = upload_to_pb(upload)
        if upload.complete and (made := await ATTACHMENTS.find(reader, upload.id)) is not None:
            message.collection, message.record_id = made.collection, str(made.record_id)
        return message

    async def _at(self, request: Any, reader: Reader) -> Place:
        """The record that a request names; NotFound when the caller may not read it."""
        resource, record_id = self._of(request), UUID(request.record_id)
        await resource.check_readable(reader, record_id)
        return Place(resource, record_id)

    def _of(self, request: Any) -> AnyResource:
        """The resource that a request names; NotFound when its records have no attachments here."""
        resource = self._resources.get(request.collection)
        if resource is None:
            raise NotFound(f"{request.collection!r} have no attachments here", reason="COLLECTION_NOT_FOUND")
        return resource


def bounds_of(settings: ServiceSettings) -> Mapping[str, int]:
    """How large a file, and all of a tenant's together, may be."""
    return {"max_bytes": settings.max_attachment_bytes, "max_tenant_bytes": settings.max_tenant_attachment_bytes}


def path_of(request: Any) -> Sequence[str]:
    """What a link is bound to."""
    return request.collection, request.record_id, request.id


def upload_to_pb(upload: Upload) -> pb.AttachmentUpload:
    message = pb.AttachmentUpload(
        id=str(upload.id),
        name=upload.name,
        size_bytes=upload.size_bytes,
        received_bytes=upload.received_bytes,
        complete=upload.complete,
    )
    message.expire_time.FromDatetime(upload.expire_time)
    return message
