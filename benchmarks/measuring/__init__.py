"""How everything here is measured: processes, rounds, goals, the page of results.

What lives here: what the benchmarks share. What must not: a library that is measured; each
is imported in a process of its own, by ``clients``.
"""
