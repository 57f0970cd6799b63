"""The asynchronous client, of which `make_sync.py` makes the other."""
