"""Every proof with its figures: what ``docs/explanation/certainty.md`` quotes.

Run: ``python -m tests.proofs`` for all at CI size, or with words of their names.
"""
