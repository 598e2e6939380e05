"""Where tenants say what happens by itself; `crm_kit.automation` goes by it."""
