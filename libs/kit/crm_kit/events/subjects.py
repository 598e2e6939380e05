"""On which subjects events travel: by service, type and tenant, so that each can be asked for by itself."""

import functools
from uuid import UUID


def subject_of(full_name: str, tenant_id: UUID | str) -> str:
    """`crm.customer.v1.AccountCreated` of a tenant travels on `crm.events.customer.AccountCreated.<its id>`."""
    return f"{_subject_of_type(full_name)}.{tenant_id}"


def subjects_of(full_name: str) -> str:
    """The subjects of such events of all tenants."""
    return f"{_subject_of_type(full_name)}.*"


def subjects_of_tenant(tenant_id: UUID | str) -> str:
    """The subjects of all events of a tenant."""
    return f"crm.events.*.*.{tenant_id}"


@functools.cache
def _subject_of_type(full_name: str) -> str:
    _, service, _, name = full_name.split(".")
    return f"crm.events.{service}.{name}"
