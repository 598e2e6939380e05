"""What the platform's records are, made from the contract."""
