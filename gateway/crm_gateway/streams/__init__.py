"""`GET /v1/events`: what happens to records, told to those who may read them, as server-sent events.

`follower` reads the broker once for all streams of the process, `catching_up` what one of them has missed; `viewers`
ask the services what each user may read, `stream` is one that is open, and `streams` all of them.
"""
