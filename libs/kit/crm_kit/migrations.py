"""Alembic, run from Python with the service's own folder of versions; nothing to configure.

Migrations run as the owner of the schema; the service's own role owns nothing. One at a time, guarded by an
advisory lock, so several replicas may call `migrate` at once.
"""

from pathlib import Path

from alembic import command, context
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData, NullPool, Table, create_engine, text

from crm_kit import plumbing
from crm_kit.database.tables import protect
from crm_kit.database.work import CREATE_REQUIRE

LOCK = 7_305_041


def migrate(url: str, folder: Path, revision: str = "head") -> str:
    """Bring the database up to `revision`, or down to an older one; the revision it has then."""
    config = Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        connection.commit()
        config.attributes["connection"] = connection
        (command.upgrade if revision == "head" else command.downgrade)(config, revision)
        return MigrationContext.configure(connection).get_current_revision() or "base"


def run() -> None:
    """The body of every service's `migrations/env.py`."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def driver_url(url: str) -> str:
    """The URL for the synchronous driver that migrations use."""
    return "postgresql+psycopg://" + url.partition("://")[2]


def create_tables(connection: Connection, *tables: Table) -> None:
    """Create tables of a new migration, each with its row-level security forced."""
    for table in tables:
        table.create(connection)
        protect(connection, table.name, plumbing=bool(table.info.get("plumbing")))


def create_plumbing(connection: Connection) -> None:
    """What every service's first migration begins with."""
    connection.execute(text(CREATE_REQUIRE))
    create_tables(connection, *plumbing.metadata.sorted_tables)


def drop_tables(connection: Connection, metadata: MetaData) -> None:
    """The way back from the first migration."""
    metadata.drop_all(connection)
    plumbing.metadata.drop_all(connection)
    connection.execute(text("DROP FUNCTION crm_require(bigint, integer)"))
