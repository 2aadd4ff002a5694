"""Who carries a message."""
