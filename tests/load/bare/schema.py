"""Tables that the bare and the naive program share: accounts, owners, outbox; no more indexes than they use."""

TABLES = """
CREATE TABLE users (id uuid PRIMARY KEY, display_name text NOT NULL);
CREATE TABLE teams (id uuid PRIMARY KEY, display_name text NOT NULL);
INSERT INTO users VALUES ('0199d0a0-0000-7000-8000-000000000001', 'Administrator');
CREATE TABLE accounts (
    id uuid PRIMARY KEY,
    kind text NOT NULL,
    display_name text NOT NULL,
    status text NOT NULL,
    legal_name text,
    short_name text,
    credit_code text,
    roles text[] NOT NULL,
    industry text,
    employee_count integer,
    region_code text,
    addresses jsonb NOT NULL,
    phone_numbers text[] NOT NULL,
    emails text[] NOT NULL,
    website text,
    source text,
    parent_id uuid,
    owner_id uuid,
    owner_team_id uuid,
    external_ids jsonb NOT NULL,
    tags text[] NOT NULL,
    preferences text,
    taboos text,
    consents jsonb NOT NULL,
    competitor_profile jsonb,
    merged_into_id uuid,
    last_contact_time timestamptz,
    value_tier text,
    custom jsonb NOT NULL DEFAULT '{}',
    version integer NOT NULL,
    create_time timestamptz NOT NULL,
    update_time timestamptz NOT NULL
);
CREATE INDEX accounts_create_time_index ON accounts (create_time, id);
CREATE TABLE outbox (
    id uuid PRIMARY KEY,
    subject text NOT NULL,
    aggregate_id uuid NOT NULL,
    event bytea NOT NULL,
    create_time timestamptz NOT NULL DEFAULT now()
);
"""
