"""Alembic runs this for every migration command; all of it is the platform's."""

from crm_kit.migrations import run

run()
