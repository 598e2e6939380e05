"""The scaffold of a new resource: its rooms from templates, and its name in the lists that it belongs in."""
