"""Alembic, run from Python: first the migrations of the tables that every service has, then the service's own.

Migrations run as the owner of the schema; the service's own role owns nothing. One at a time, guarded by an
advisory lock, so several replicas may call `migrate` at once.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.autogenerate import compare_metadata, produce_migrations
from alembic.autogenerate.api import render_python_code
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, NullPool, create_engine, text

from crm_kit import plumbing
from crm_kit.database.statistics import CREATE_ANALYZE_GROWN, DROP_ANALYZE_GROWN
from crm_kit.database.tables import protect
from crm_kit.database.write_statements import CREATE_REQUIRE, DROP_REQUIRE

LOCK = 7_305_041
SERVICE_VERSIONS = "alembic_version"
# All of them are trusted: the owner of a database may make them.
EXTENSIONS = ("pg_trgm", "btree_gin", "ltree", "unaccent")
# What a service's own role may do. It owns nothing, and cannot change the schema.
ROLE_RIGHTS = {"TABLES": "SELECT, INSERT, UPDATE, DELETE", "SEQUENCES": "USAGE, SELECT"}
# Alembic's own comments, and what only our code reads from a Table.
NOISE = re.compile(r"\s*(#|info=)")
CREATED_TABLE = re.compile(r"^    op\.create_table\(\s*'(\w+)'", re.MULTILINE)

TEMPLATE = '''"""{message}."""

{imports}

revision = "{revision}"
down_revision = {down_revision}


def upgrade() -> None:
{upgrade}


def downgrade() -> None:
{downgrade}
'''


@dataclass(frozen=True, slots=True)
class Chain:
    """A folder of migrations, and the table in which a database keeps how far it has come with them."""

    folder: Path
    version_table: str

    def upgrade(self, connection: Connection) -> None:
        """Bring the database up to the newest revision."""
        command.upgrade(self._config(connection), "head")
        # Where there was nothing to do, Alembic leaves the transaction open in which it looked.
        connection.commit()

    def downgrade(self, connection: Connection, revision: str) -> None:
        """Bring the database down to an older revision, or to none with `base`."""
        command.downgrade(self._config(connection), revision)
        connection.commit()

    def revision(self, connection: Connection) -> str:
        """The revision that the database has; `base` for none."""
        found = MigrationContext.configure(connection, opts={"version_table": self.version_table})
        return found.get_current_revision() or "base"

    def newest(self) -> str | None:
        """The newest revision that there is; None while there is none."""
        return ScriptDirectory.from_config(self._config(None)).get_current_head()

    def _config(self, connection: Connection | None) -> Config:
        config = Config()
        config.set_main_option("script_location", str(self.folder))
        config.set_main_option("path_separator", "os")
        config.attributes |= {"connection": connection, "version_table": self.version_table}
        return config


PLUMBING = Chain(Path(__file__).parent / "migrations", "plumbing_version")
VERSION_TABLES = frozenset({PLUMBING.version_table, SERVICE_VERSIONS})


def chains_to(folder: Path) -> tuple[Chain, ...]:
    """All migrations that end with those in `folder`, which are a service's or the plumbing's own."""
    return (PLUMBING,) if folder == PLUMBING.folder else (PLUMBING, Chain(folder, SERVICE_VERSIONS))


def migrate(url: str, folder: Path, revision: str = "head", *, role: str = "") -> str:
    """Bring the database up to `revision`, or down to an older one; the revision it has then.

    The plumbing goes up with every service, and down only with `base`: what is newer of it has to suit also the
    versions before. A fresh database needs nothing but its owner, whose URL this is: what the schema needs is made
    here, and `role`, as which the service works, gets the rights to its rows.
    """
    *before, own = chains_to(folder)
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
        prepare(connection, role)
        connection.commit()
        if revision == "head":
            for chain in (*before, own):
                chain.upgrade(connection)
        else:
            own.downgrade(connection, revision)
            for chain in before if revision == "base" else ():
                chain.downgrade(connection, revision)
        return own.revision(connection)


def prepare(connection: Connection, role: str) -> None:
    """Make the extensions that are missing, and give `role` its rights to all tables there are and will be."""
    for extension in EXTENSIONS:
        connection.execute(text(f"CREATE EXTENSION IF NOT EXISTS {extension}"))
    if not role:
        return
    name = connection.dialect.identifier_preparer.quote(role)
    for kind, rights in ROLE_RIGHTS.items():
        connection.execute(text(f"GRANT {rights} ON ALL {kind} IN SCHEMA public TO {name}"))
        # Also for what a migration makes from now on, at the moment it is made: the old version serves meanwhile.
        connection.execute(text(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {rights} ON {kind} TO {name}"))


def run() -> None:
    """The body of the `env.py` beside every folder of versions."""
    given = context.config.attributes
    context.configure(
        connection=given["connection"], version_table=given["version_table"], transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


def differences(url: str, metadata: MetaData) -> list[Any]:
    """In what the database differs from the tables of a service; empty when the migrations are complete."""
    everything = MetaData(naming_convention=metadata.naming_convention)
    for table in (*plumbing.metadata.sorted_tables, *metadata.sorted_tables):
        table.to_metadata(everything)
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        return list(compare_metadata(_comparing(connection, others=VERSION_TABLES), everything))


def draft(url: str, folder: Path, metadata: MetaData, message: str) -> Path | None:
    """Write the migration from what the database is to what the tables say; None where they are the same.

    To be read before it is committed. The database has come as far as the migrations in `folder` go, and no further.
    """
    *before, own = chains_to(folder)
    others = VERSION_TABLES | (plumbing.metadata.tables.keys() if before else set())
    engine = create_engine(driver_url(url), poolclass=NullPool)
    with engine.connect() as connection:
        found = produce_migrations(_comparing(connection, others=others), metadata)
    assert found.upgrade_ops is not None
    assert found.downgrade_ops is not None
    if found.upgrade_ops.is_empty():
        return None
    newest = own.newest()
    revision = f"{int(newest or 0) + 1:04}"
    upgrade = _protected(_body(found.upgrade_ops), metadata)
    downgrade = _body(found.downgrade_ops)
    target = folder / "versions" / f"{revision}_{re.sub(r'[^a-z0-9]+', '_', message.lower()).strip('_')}.py"
    target.parent.mkdir(exist_ok=True)
    target.write_text(
        TEMPLATE.format(
            message=message,
            imports=_imports(upgrade + downgrade),
            revision=revision,
            down_revision=f'"{newest}"' if newest else "None",
            upgrade=upgrade,
            downgrade=downgrade,
        )
    )
    return target


def create_functions() -> None:
    """What the kit's first migration begins with."""
    for create in (CREATE_REQUIRE, CREATE_ANALYZE_GROWN):
        context_connection().execute(text(create))


def drop_functions() -> None:
    """The way back from `create_functions`."""
    for drop in (DROP_ANALYZE_GROWN, DROP_REQUIRE):
        context_connection().execute(text(drop))


def protected(*tables: str, plumbing: Sequence[str] = ()) -> None:
    """Force row-level security on new tables; those of `plumbing` can also be read across tenants."""
    for table in (*tables, *plumbing):
        protect(context_connection(), table, plumbing=table in plumbing)


def context_connection() -> Connection:
    """The connection of the migration that runs."""
    connection = context.get_context().connection
    assert connection is not None
    return connection


def driver_url(url: str) -> str:
    """The URL for the synchronous driver that migrations use."""
    return "postgresql+psycopg://" + url.partition("://")[2]


def _comparing(connection: Connection, *, others: Set[str]) -> MigrationContext:
    """What compares the database with tables; `others` in it are none of their business."""

    def concerns(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name not in others

    return MigrationContext.configure(connection, opts={"compare_server_default": False, "include_name": concerns})


def _body(operations: Any) -> str:
    lines = render_python_code(operations, sqlalchemy_module_prefix="sa.", alembic_module_prefix="op.")
    # Types inside of others are drafted without the module they come from.
    lines = re.sub(r"(?<![\w.])(Text|Uuid|Integer)\(", r"sa.\1(", lines).replace("astext_type=sa.Text()", "")
    kept = [line for line in lines.splitlines() if line.strip() and not NOISE.match(line)]
    return "\n".join(f"    {line}" if not line.startswith("    ") else line for line in kept) or "    pass"


def _imports(code: str) -> str:
    """The import lines that a migration needs."""
    lines = ["import sqlalchemy as sa"] if "sa." in code else []
    lines.append("from alembic import op")
    lines += ["from crm_kit.migrating import protected"] if "protected(" in code else []
    lines += ["from sqlalchemy.dialects import postgresql"] if "postgresql." in code else []
    return "\n".join(lines)


def _protected(upgrade: str, metadata: MetaData) -> str:
    """With the tables that it creates protected at its end."""
    tables = metadata.tables
    created = CREATED_TABLE.findall(upgrade)
    if not created:
        return upgrade
    own = [name for name in created if not tables[name].info.get("plumbing")]
    shared = [name for name in created if tables[name].info.get("plumbing")]
    arguments = [f'"{name}"' for name in own] + ([f"plumbing={shared}"] if shared else [])
    return f"{upgrade}\n    protected({', '.join(arguments)})"
