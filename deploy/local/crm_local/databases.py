"""The databases, roles and rights of the services. All of it can be done again at every start."""

import re
from collections.abc import Mapping
from pathlib import Path

import psycopg
from psycopg import AsyncConnection, sql
from psycopg.sql import SQL, Composed, Identifier, Literal

from crm_local.postgres_binaries import EXTENSIONS

# What a database administrator runs for a cluster.
DATABASE_SQL = Path(__file__).resolve().parents[2] / "postgres" / "database.sql"
VARIABLE = re.compile(r""":(["'])(\w+)\1""")
ROLE_RIGHTS = SQL("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS")


def database_of(service: str) -> str:
    """The name of a service's database, and of the role it works as."""
    return f"crm_{service}"


def owner_of(service: str) -> str:
    """The role that owns a service's schema; only migrations use it."""
    return f"crm_{service}_owner"


async def ensure_database(superuser_url: str, service: str, passwords: Mapping[str, str]) -> None:
    """Make the database of `service`, its two roles and their rights, or put them right.

    `passwords` maps role to password. The service's role owns nothing and reaches only its own database.
    """
    name, owner = database_of(service), owner_of(service)
    async with await AsyncConnection.connect(superuser_url, autocommit=True) as connection:
        for role in (owner, name):
            await _ensure_role(connection, role, passwords[role])
        found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
        if found.rowcount == 0:
            await connection.execute(SQL("CREATE DATABASE {} OWNER {}").format(Identifier(name), Identifier(owner)))
        for statement in _database_rights(name, owner):
            await connection.execute(statement)
    inside = psycopg.conninfo.make_conninfo(superuser_url, dbname=name)
    async with await AsyncConnection.connect(inside) as connection:
        for statement in _schema_rights(name, owner):
            await connection.execute(statement)


async def close_shared_databases(superuser_url: str) -> None:
    """Let no role into the databases that belong to no service."""
    async with await AsyncConnection.connect(superuser_url, autocommit=True) as connection:
        for name in ("postgres", "template1"):
            await connection.execute(SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(Identifier(name)))


def creation(script: str, given: Mapping[str, str]) -> list[str]:
    """The statements of a psql script with its variables filled in: `:"name"` as an identifier, `:'word'` as text."""

    def filled(variable: re.Match[str]) -> str:
        quote, value = variable[1], given[variable[2]]
        return quote + value.replace(quote, quote * 2) + quote

    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [VARIABLE.sub(filled, each).strip() for each in "\n".join(lines).split(";") if each.strip()]


async def _ensure_role(connection: AsyncConnection, role: str, password: str) -> None:
    found = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
    verb = SQL("CREATE" if found.rowcount == 0 else "ALTER")
    await connection.execute(
        SQL("{} ROLE {} {} PASSWORD {}").format(verb, Identifier(role), ROLE_RIGHTS, Literal(password))
    )


def _database_rights(name: str, owner: str) -> list[Composed]:
    database, role, its_owner = Identifier(name), Identifier(name), Identifier(owner)
    return [
        SQL("ALTER DATABASE {} OWNER TO {}").format(database, its_owner),
        SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database),
        SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role),
    ]


def _schema_rights(name: str, owner: str) -> list[Composed]:
    role, its_owner = Identifier(name), Identifier(owner)
    defaults = SQL("ALTER DEFAULT PRIVILEGES FOR ROLE {} GRANT {} TO {}")
    granted = {
        "TABLES": "SELECT, INSERT, UPDATE, DELETE ON TABLES",
        "SEQUENCES": "USAGE, SELECT ON SEQUENCES",
        "SCHEMAS": "USAGE ON SCHEMAS",
    }
    return [
        *(
            SQL("CREATE EXTENSION IF NOT EXISTS {} SCHEMA public").format(Identifier(extension))
            for extension in EXTENSIONS
        ),
        SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC, {}").format(role),
        SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(its_owner),
        SQL("GRANT USAGE ON SCHEMA public TO {}").format(role),
        *(defaults.format(its_owner, sql.SQL(what), role) for what in granted.values()),
    ]
