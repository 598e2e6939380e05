"""Runs the rules that are due by the calendar: `planning` says which records one takes, `job` takes them in turns."""
