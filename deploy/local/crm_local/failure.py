"""What stops the local runner, told to the person at the terminal."""


class LocalFailure(Exception):
    """Something a person must know or change; the message is whole and needs no traceback."""
