"""Which accounts a tenant restricts by rule: a setting, and what carries it out for accounts that are there."""
