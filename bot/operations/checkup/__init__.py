"""Looks at the whole set-up and says in words what is missing and what to do about it. It changes nothing and sends nothing."""
