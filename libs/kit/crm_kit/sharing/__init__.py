"""What people keep for themselves and may share: with everybody, or with those who have one of some roles."""
