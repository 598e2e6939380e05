"""Every SELECT on identity providers that their declaration does not make."""

from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_customer.directory.identity_providers.model import IdentityProvider
from crm_customer.directory.identity_providers.resource import IDENTITY_PROVIDERS
from crm_customer.directory.identity_providers.tables import client_secrets, identity_providers
from crm_customer.directory.tenants.tables import tenants


@statement
def all_providers() -> Select[Any]:
    return select(*IDENTITY_PROVIDERS.columns).where(identity_providers.c.tenant_id == bindparam("tenant_id"))


@statement
def serving_providers() -> Select[Any]:
    """The active ones, while the tenant is."""
    return (
        select(*IDENTITY_PROVIDERS.columns)
        .join(tenants, tenants.c.tenant_id == identity_providers.c.tenant_id)
        .where(identity_providers.c.tenant_id == bindparam("tenant_id"), identity_providers.c.active, tenants.c.active)
        .order_by(identity_providers.c.id)
    )


@statement
def secret_of_provider() -> Select[Any]:
    return select(client_secrets.c.secret).where(
        client_secrets.c.tenant_id == bindparam("tenant_id"), client_secrets.c.provider_id == bindparam("provider_id")
    )


async def get_all_providers(reader: Reader) -> list[IdentityProvider]:
    """Every identity provider of the tenant."""
    return [IDENTITY_PROVIDERS.entity_from(row) for row in await reader.all(all_providers())]


async def get_serving_providers(reader: Reader) -> list[IdentityProvider]:
    """Those that people sign in with now."""
    return [IDENTITY_PROVIDERS.entity_from(row) for row in await reader.all(serving_providers())]


async def find_sealed_secret(reader: Reader, provider_id: UUID) -> bytes | None:
    """The client secret as it is stored; None when the provider has none."""
    row = await reader.one(secret_of_provider(), provider_id=provider_id)
    return bytes(row["secret"]) if row else None
