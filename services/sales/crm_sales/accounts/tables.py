"""Accounts as this service knows them, from the customer service's events."""

from crm_kit.accounts import accounts_table

from crm_sales.metadata import metadata

accounts = accounts_table(metadata)
