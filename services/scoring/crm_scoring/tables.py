"""All tables of this service: importing this fills the catalogue."""

from crm_scoring.accounts import tables as accounts
from crm_scoring.credit import tables as credit
from crm_scoring.facts import tables as facts
from crm_scoring.metadata import metadata
from crm_scoring.scores import tables as scores

__all__ = ["accounts", "credit", "facts", "metadata", "scores"]
