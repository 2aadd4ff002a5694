"""The only place that touches the network.

What lives here: HTTP, SMTP, TLS and AWS signing, and the tables that turn foreign
exceptions into ours. What must not: a provider's request or reply; that is ``backends``.
"""
