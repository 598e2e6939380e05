"""HTTP to addresses that others name, such as those of OpenID providers and of webhooks.

Nobody leads such a call inside: a name is looked up once for each connection, all its addresses have to be ones that
may be reached, and the connection goes to one of just these, while certificate and Host are those of the name.
Redirects are not followed. Time and size of the whole exchange are bounded.
"""
