# Made by make_sync.py of the file of the same name in _async: change it there.
"""The synchronous client."""
