"""Real mail through the whole library, compared at the server by two other parsers."""
