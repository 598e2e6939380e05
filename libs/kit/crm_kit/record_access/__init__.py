"""Access to a record explained: by which role, scope and ownership somebody can do something with it, or why not."""
