"""The one catalogue of this service's tables."""

from crm_kit.database.tables import NAMING
from sqlalchemy import MetaData

metadata = MetaData(naming_convention=NAMING)
