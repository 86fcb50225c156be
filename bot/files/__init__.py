"""Files of customers and staff, seen as names and bytes: made harmless, looked at, never opened."""
