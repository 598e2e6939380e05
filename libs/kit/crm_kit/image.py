"""The compiled contracts of all services, as they are built with the generated modules."""

from importlib.resources import files

from google.protobuf.descriptor_pb2 import FileDescriptorSet


def read_image() -> FileDescriptorSet:
    """All files with their comments. Read anew each time: it is large, and callers keep the little they want of it."""
    return FileDescriptorSet.FromString(files("crm_protos").joinpath("image.binpb").read_bytes())
