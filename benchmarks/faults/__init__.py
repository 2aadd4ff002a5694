"""The parts of ``certainty.py``: servers that fail on purpose, and clients to try on them.

Nothing of mailbalance's own tests or doors is used: every client meets the same servers,
and what a server took over is written down by the server.
"""
