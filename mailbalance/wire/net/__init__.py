"""Connections, whatever is spoken over them: opened, driven, kept, ended in time.

Protocols stand above, as generators of steps (``drive``): HTTP's exchange and a proxy's
CONNECT. Nothing here knows a status, a provider or a message.
"""
