"""Filters: one small language for lists, dynamic segments, assignment rules and policies.

It is a subset of AIP-160 (https://google.aip.dev/160) with `IN`, dates and null:

    status = ACTIVE AND (region_code = "CN-GD" OR tags:vip) AND NOT custom.fleet_size < 10
    create_time >= 2026-01-31T08:00:00+08:00 AND owner_id != null AND kind IN (PERSON, ORGANIZATION)

As AIP-160 has it, OR binds tighter than AND: `a AND b OR c` means `a AND (b OR c)`. NOT binds tightest.
`field:x` is "has": text contains x whatever its case, a list has the member x; `field:*` is "has any value".
Every comparison is true or false. A null field equals nothing, is neither less nor greater, and has nothing: it is
taken by `!=` and by NOT, so that a customer without industry is "not steel". AND, OR and NOT are those of plain logic.

Words stand for what they mean to whoever asks, in their zone: `me` and `my_team`; `now`, `now-7d`, `now+2h` (m, h, d
and w); `today`, `yesterday`, `tomorrow`, and `this_`, `last_` or `next_` with week, month, quarter or year. `=` a
period is within it, `<` is before its start, `>` after its end.

`schema` declares the fields, `parsing` makes a typed tree of a text, `sql` compiles it, `evaluation` decides it
in memory, `words` says what words stand for. `tree`, `words` and `evaluation` import no SQL. This file imports nothing
so that it stays that way.
"""
