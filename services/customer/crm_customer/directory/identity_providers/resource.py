"""Identity providers, declared."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import identity_providers_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_customer.directory.identity_providers.model import IdentityProvider
from crm_customer.directory.identity_providers.tables import identity_providers
from crm_customer.directory.roles.rights import check_administers

IDENTITY_PROVIDERS = Resource(
    "identity_provider",
    entity=IdentityProvider,
    table=identity_providers,
    message=pb.IdentityProvider,
    created=events.IdentityProviderCreated,
    updated=events.IdentityProviderUpdated,
    verbs={"SetClientSecret": lambda _, attempt: check_administers(attempt.reader.actor.access)},
)
