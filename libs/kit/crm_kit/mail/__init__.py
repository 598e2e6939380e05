"""Mail that services send: gathered with what it tells of, and sent by a job until the server has taken it."""
