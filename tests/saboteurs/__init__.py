"""Broken variants of the library, each of which the tests must notice.

A test that never fails proves nothing. Each saboteur takes one promise back, by a small
change of the source in a copy, and names the tests that must turn red. The unbroken copy
must pass all of them.

Run: ``python -m tests.saboteurs [name ...]``; without a name, all.
"""
