"""Imports, declared."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import imports_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_customer.imports.model import Import
from crm_customer.imports.tables import imports

IMPORTS = Resource(
    "import",
    entity=Import,
    table=imports,
    message=pb.Import,
    created=events.ImportCreated,
    verbs={"CancelImport": lambda job, attempt: job.cancel(attempt.now)},
)
