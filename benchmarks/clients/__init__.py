"""The ways to send that are measured: this library, its peers, and bare sockets.

What lives here: functions that make a ``run(number)``, each called in a process of its own
by ``measuring.worker``. What must not: clocks. A module imports one peer only, and imports
it when it is asked to make a way, so that nobody pays for another's modules.
"""
