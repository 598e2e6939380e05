"""Events as those are told of them who are no service: who did what to which record, and not the record."""
