"""Who looks at a record now, and who edits it: in memory alone, shared by all gateways, and over by itself."""
