"""What becomes of a lead's custom fields when it is converted."""

from crm.sales.v1 import leads_pb2 as pb
from crm.sales.v1 import opportunities_pb2

from tests.service.customer.customers import new_account, new_contact
from tests.service.kit.custom_fields import NUMBER, SINGLE_SELECT, custom_of, message_values, new_field, options
from tests.service.running import Running, User, refused
from tests.service.sales.converting import Qualified, accounts_of, contacts_of
from tests.service.sales.selling import Sales


async def test_custom_fields_go_where_there_is_such_a_field_and_stay_on_the_lead(
    api: Sales, sales: Running, customer: Running, qualified: Qualified, seller: User
) -> None:
    select = {"type": SINGLE_SELECT, "options": options("gold", "silver")}
    await new_field(sales, seller, "contract_no", collection="leads")
    await new_field(sales, seller, "size", collection="leads")
    await new_field(sales, seller, "grade", collection="leads", **select)
    await new_field(sales, seller, "contract_no", collection="opportunities")
    await new_field(sales, seller, "size", NUMBER, collection="opportunities")
    await new_field(customer, seller, "contract_no", collection="accounts")
    await new_field(customer, seller, "grade", SINGLE_SELECT, options=options("gold"), collection="accounts")
    await new_field(customer, seller, "size", collection="contacts", required=True)
    await new_field(customer, seller, "grade", SINGLE_SELECT, options=options("silver"), collection="contacts")
    values = {"contract_no": "HT-1", "size": "12", "grade": "gold"}
    lead = await qualified(custom=message_values(values))
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert custom_of(converted) == values
    (account,) = await accounts_of(customer, seller)
    assert custom_of(account) == {"contract_no": "HT-1", "grade": "gold"}
    (contact,) = await contacts_of(customer, seller)
    assert custom_of(contact) == {"size": "12"}
    request = opportunities_pb2.GetOpportunityRequest(id=converted.opportunity_id)
    opportunity = await api.opportunities.GetOpportunity(request, metadata=seller.metadata)
    assert custom_of(opportunity) == {"contract_no": "HT-1"}


async def test_an_opportunity_that_would_lack_a_required_custom_field_is_said_before_anything_is_begun(
    api: Sales, sales: Running, customer: Running, qualified: Qualified, seller: User
) -> None:
    lead = await qualified()
    await new_field(sales, seller, "contract_no", collection="opportunities", required=True)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert told.fields == ["opportunity.custom.contract_no"]
    assert await accounts_of(customer, seller) == []


async def test_a_custom_value_that_another_account_has_ends_the_attempt_and_the_lead_can_be_changed(
    api: Sales, sales: Running, customer: Running, qualified: Qualified, seller: User
) -> None:
    await new_field(sales, seller, "contract_no", collection="leads")
    await new_field(customer, seller, "contract_no", collection="accounts", unique=True)
    taken = message_values({"contract_no": "HT-1"})
    await new_account(customer, seller, display_name="南方钢铁", custom=taken)
    lead = await qualified(custom=message_values({"contract_no": "HT-1"}))
    with refused("ALREADY_EXISTS", "CUSTOM_FIELD_VALUE_TAKEN"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    changed = pb.Lead(id=lead.id, custom=message_values({"contract_no": "HT-2"}))
    await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=changed), metadata=seller.metadata)
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert converted.state == pb.Lead.STATE_CONVERTED


async def test_a_contact_that_would_lack_a_required_custom_field_is_said_before_its_account_is_created(
    api: Sales, sales: Running, customer: Running, qualified: Qualified, seller: User
) -> None:
    await new_field(sales, seller, "badge", collection="leads")
    await new_field(customer, seller, "badge", collection="contacts", required=True)
    lead = await qualified()
    request = pb.ConvertLeadRequest(id=lead.id)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await api.leads.ConvertLead(request, metadata=seller.metadata)
    assert told.fields == ["contact.custom.badge"]
    assert await accounts_of(customer, seller) == []
    # The attempt has ended, so the lead can be given what is missing.
    changed = pb.Lead(id=lead.id, custom=message_values({"badge": "B-1"}))
    await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=changed), metadata=seller.metadata)
    await api.leads.ConvertLead(request, metadata=seller.metadata)
    (contact,) = await contacts_of(customer, seller)
    assert custom_of(contact) == {"badge": "B-1"}


async def test_whoever_is_a_contact_already_lacks_nothing(
    api: Sales, customer: Running, qualified: Qualified, seller: User
) -> None:
    account = await new_account(customer, seller)
    contact = await new_contact(customer, seller, account.id, display_name="王伟")
    await new_field(customer, seller, "badge", collection="contacts", required=True)
    request = pb.ConvertLeadRequest(id=(await qualified()).id)
    converted = await api.leads.ConvertLead(request, metadata=seller.metadata)
    assert (converted.account_id, converted.contact_id) == (account.id, contact.id)


async def test_after_a_value_that_another_contact_has_the_next_attempt_goes_on_with_the_same_account(
    api: Sales, sales: Running, customer: Running, qualified: Qualified, seller: User
) -> None:
    await new_field(sales, seller, "badge", collection="leads")
    await new_field(customer, seller, "badge", collection="contacts", unique=True)
    other = await new_account(customer, seller, display_name="南方钢铁")
    await new_contact(customer, seller, other.id, custom=message_values({"badge": "B-1"}))
    lead = await qualified(custom=message_values({"badge": "B-1"}))
    with refused("ALREADY_EXISTS", "CUSTOM_FIELD_VALUE_TAKEN"):
        await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    changed = pb.Lead(id=lead.id, custom=message_values({"badge": "B-2"}))
    await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=changed), metadata=seller.metadata)
    converted = await api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=seller.metadata)
    assert {each.id for each in await accounts_of(customer, seller)} == {other.id, converted.account_id}
    assert len(await contacts_of(customer, seller)) == 2
