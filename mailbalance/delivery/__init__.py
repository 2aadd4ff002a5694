"""One message from its first attempt to its end, and many at once."""
