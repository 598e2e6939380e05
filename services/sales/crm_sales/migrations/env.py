"""Alembic runs this for every migration command; all of it is the platform's."""

from crm_kit.migrating import run

run()
