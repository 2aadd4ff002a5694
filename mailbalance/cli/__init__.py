"""The command line: what the library does, from a shell.

What lives here: one file for each group of commands. What must not: anything that the
library's own functions could not do; a command takes words in, calls one of them, and
says in words or in JSON what came of it.
"""
