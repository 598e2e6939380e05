"""Look-ups stay quick while accounts are written: new tokens do not pile up unsorted."""

from crm_customer.records.search.sorting import IndexSorting, sort_indexes
from crm_kit.database.connections import ALL_TENANTS

from tests.service.customer.customers import new_account, new_contact
from tests.service.running import Running


async def test_what_has_been_written_is_sorted_into_the_index(customer: Running) -> None:
    database = customer.service.database
    user = await customer.user()
    for _ in range(20):
        account = await new_account(customer, user)
        await new_contact(customer, user, account.id)
    await IndexSorting(database).sort()
    (left,) = await database.all(ALL_TENANTS, sort_indexes, {})
    assert left["pages"] == 0
