"""The platform's main job as one story, through the gateway only: `python -m tests.e2e.story`, and a test.

A step that does not hold raises `NotAsTold`; who watches reads who does what, and what happened.
"""
