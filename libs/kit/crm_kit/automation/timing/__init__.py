"""When rules are due that the calendar sets off: `model` says so, `dates` which fields they can go by.

`queries` find the timers that are due, `commands` write them.
"""
