"""The whole library on a clock that is turned, before providers that know the truth.

``python -m tests.simulation --messages 100000 --seed 1`` runs it by hand.
"""
