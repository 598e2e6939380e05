"""Whose a payment is."""

import pytest
from crm_kit.identity.access import Scope
from crm_sales.orders.servicer import OrderServicer

from tests.service.running import Running, User
from tests.service.sales.ordering import Draft, approve, pay, placed
from tests.service.sales.selling import Sales

SELLER = dict.fromkeys(("orders.read", "orders.write"), Scope.OWN)


@pytest.mark.parametrize(
    ("reads_payments", "active", "is_sellers"), [(True, True, True), (False, True, False), (True, False, False)]
)
async def test_a_payment_is_of_who_sold_or_of_who_records_it_when_that_one_may_not_have_it(
    api: Sales,
    servicer: OrderServicer,
    sales: Running,
    user: User,
    draft: Draft,
    *,
    reads_payments: bool,
    active: bool,
    is_sellers: bool,
) -> None:
    grants = SELLER | ({"payments.read": Scope.OWN} if reads_payments else {})
    seller = await sales.user(user.tenant_id, grants=grants)
    order = await placed(api, servicer, user, await draft(owner_id=str(seller.id)), approve)
    if not active:
        await sales.change_user(seller, active=False)
    payment = await pay(api, user, "50.00", order_id=order.id)
    assert payment.owner_id == str(seller.id if is_sellers else user.id)
