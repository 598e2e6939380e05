"""Where tenants define their custom fields: what they may be, and what becomes of values when one is changed."""
