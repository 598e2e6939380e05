"""Every write on identity providers. Each function is one transaction's work: row, history and event together."""

from typing import Any

from crm.customer.v1 import events_pb2 as events
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.ids import new_id
from sqlalchemy import bindparam
from sqlalchemy.dialects.postgresql import insert

from crm_customer.directory.identity_providers.model import IdentityProvider
from crm_customer.directory.identity_providers.queries import get_all_providers
from crm_customer.directory.identity_providers.resource import IDENTITY_PROVIDERS
from crm_customer.directory.identity_providers.tables import client_secrets
from crm_customer.directory.tenants.commands import take_turn


async def create_provider(work: UnitOfWork, values: dict[str, Any], *, loopback: bool) -> IdentityProvider:
    """Create an identity provider from the values of its fields; `loopback` as in `IdentityProvider.checked`."""
    provider = IdentityProvider(id=new_id(), create_time=work.now, update_time=work.now, **values)
    provider = provider.checked(loopback=loopback)
    await check_domains(work, provider)
    return IDENTITY_PROVIDERS.create(work, provider)


async def update_provider(
    work: UnitOfWork, before: IdentityProvider, values: dict[str, Any], *, loopback: bool
) -> IdentityProvider:
    """Change some fields of an identity provider; nothing is written when nothing changes."""
    after = before.update(values).checked(loopback=loopback)
    if after.domains != before.domains:
        await check_domains(work, after)
    return IDENTITY_PROVIDERS.save(work, before, after, events.IdentityProviderUpdated)


def set_client_secret(work: UnitOfWork, before: IdentityProvider, sealed: bytes) -> IdentityProvider:
    """Set the client secret, given as it is stored."""
    work.execute(put_secret(), provider_id=before.id, secret=sealed)
    after = before.with_new_secret(now=work.now)
    return IDENTITY_PROVIDERS.save(work, before, after, events.IdentityProviderClientSecretSet)


async def check_domains(work: UnitOfWork, provider: IdentityProvider) -> None:
    """Let no two providers of a tenant serve the same domain, not even when both are written at the same time."""
    if provider.domains:
        await take_turn(work)
        provider.check_domains(await get_all_providers(work))


@statement
def put_secret() -> Any:
    names = ("tenant_id", "provider_id", "secret")
    fresh = insert(client_secrets).values({name: bindparam(name) for name in names})
    return fresh.on_conflict_do_update(
        index_elements=[client_secrets.c.tenant_id, client_secrets.c.provider_id],
        set_={"secret": fresh.excluded.secret},
    )
