"""What the sales service knows of contacts, from the events of those who own them."""

from crm_kit.contacts import contacts_table

from crm_sales.metadata import metadata

contacts = contacts_table(metadata)
