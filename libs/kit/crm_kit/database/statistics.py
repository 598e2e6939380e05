"""What PostgreSQL's planner knows of tables that have just got their first rows: nothing, until autovacuum comes by.

Until then all indexes of a table look alike to it. The check of a foreign key may then read every row of a tenant,
and a connection keeps that plan: what is written in bulk into empty tables becomes slower with each row.
"""

from sqlalchemy import func, select

from crm_kit.database.connections import Database
from crm_kit.database.statements import compile_statement
from crm_kit.database.tables import SYSTEM_TENANT

# From a thousand rows on, autovacuum is in time.
CREATE_ANALYZE_GROWN = """
CREATE FUNCTION crm_analyze_grown() RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    grown regclass;
    analyzed integer := 0;
BEGIN
    FOR grown IN
        SELECT oid FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples < 1000
            AND pg_relation_size(oid) > greatest(relpages, 1) * current_setting('block_size')::bigint
    LOOP
        EXECUTE format('ANALYZE %s', grown);
        analyzed := analyzed + 1;
    END LOOP;
    RETURN analyzed;
END $$
"""
"""Executed by the kit's first migration. With its owner's rights: only who owns a table may analyze it."""
DROP_ANALYZE_GROWN = "DROP FUNCTION crm_analyze_grown()"

ANALYZE_GROWN = compile_statement(select(func.crm_analyze_grown()))


async def analyze_grown(database: Database) -> int:
    """Let the planner know of tables that were nearly empty and are no more; how many there were."""
    (row,) = await database.all(SYSTEM_TENANT, ANALYZE_GROWN, {})
    analyzed: int = row[0]
    return analyzed
