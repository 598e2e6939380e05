"""Where tenants say what has to be approved, and by whom; `crm_kit.approvals` goes by it."""
