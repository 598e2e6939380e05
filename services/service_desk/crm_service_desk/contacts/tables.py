"""What the service desk knows of contacts, from the events of those who own them."""

from crm_kit.contacts import contacts_table

from crm_service_desk.metadata import metadata

contacts = contacts_table(metadata)
