"""CommentService: from message to command or query and back, for the collections of one service."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from crm.resource.v1 import comments_pb2 as pb
from google.protobuf.empty_pb2 import Empty

from crm_kit.comments import commands
from crm_kit.comments.discussion import Discussion
from crm_kit.comments.queries import get_comment
from crm_kit.comments.resource import COMMENTS, OF_RECORD
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import Directory
from crm_kit.errors import NotFound
from crm_kit.paging import PageTokens
from crm_kit.resource.writing import Resource

AnyResource = Resource[Any, Any]


class CommentServicer:
    contract = pb.DESCRIPTOR.services_by_name["CommentService"]

    def __init__(self, resources: Iterable[AnyResource], directory: Directory, tokens: PageTokens) -> None:
        self._resources = {each.collection: each for each in resources if each.is_discussed}
        self._directory = directory
        self._tokens = tokens

    async def CreateComment(self, request: pb.CreateCommentRequest, work: UnitOfWork) -> pb.Comment:
        on, values = await self._on(request, work), COMMENTS.values_of(request.comment)
        return COMMENTS.message(work, await commands.create_comment(work, on, values))

    async def GetComment(self, request: pb.GetCommentRequest, reader: Reader) -> pb.Comment:
        on = await self._on(request, reader)
        return COMMENTS.message(reader, await get_comment(reader, *on.record, UUID(request.id)))

    async def ListComments(self, request: pb.ListCommentsRequest, reader: Reader) -> pb.ListCommentsResponse:
        collection, record_id = (await self._on(request, reader)).record
        binds, response = {"collection": collection, "record_id": record_id}, pb.ListCommentsResponse
        return await COMMENTS.list(reader, request, response, self._tokens, listing=OF_RECORD, binds=binds)

    async def UpdateComment(self, request: pb.UpdateCommentRequest, work: UnitOfWork) -> pb.Comment:
        on = await self._on(request, work)
        await get_comment(work, *on.record, UUID(request.comment.id))
        before, values = await COMMENTS.to_update(work, request)
        return COMMENTS.message(work, await commands.update_comment(work, on, before, values))

    async def DeleteComment(self, request: pb.DeleteCommentRequest, work: UnitOfWork) -> Empty:
        on = await self._on(request, work)
        before = await get_comment(work, *on.record, UUID(request.id), etag=request.etag)
        commands.delete_comment(work, on, before)
        return Empty()

    def permission_of(self, request: Any) -> str:
        """What a request needs: the permission to read the collection that it names."""
        return self._of(request).permission

    async def _on(self, request: Any, reader: Reader) -> Discussion:
        """The discussion of the record that a request names; NotFound when the caller may not read the record."""
        resource, record_id = self._of(request), UUID(request.record_id)
        await resource.check_readable(reader, record_id)
        return Discussion(resource, record_id, self._directory)

    def _of(self, request: Any) -> AnyResource:
        """The resource that a request names; NotFound when its records are not discussed here."""
        resource = self._resources.get(request.collection)
        if resource is None:
            raise NotFound(f"{request.collection!r} have no comments here", reason="COLLECTION_NOT_FOUND")
        return resource
