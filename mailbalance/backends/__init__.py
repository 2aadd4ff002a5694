"""One file for each way into a provider: a pure mapping of request and reply."""
