"""The desk's use cases, one transaction each. They fetch, let the pure parts decide, and store; nothing is sent here."""
