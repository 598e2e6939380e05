"""Automation: what tenants have happen by itself when something happens to a record.

`rules` are what they have said, `runs` what came of it. `watched` has what a service's collections offer, `matching` is
which rules an event sets off, `requests` makes the calls of a rule's actions, `running` makes them once.
"""
