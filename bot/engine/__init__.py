"""Wakes the work that waits in the tables. A lost wake-up is only a delay: the sweeper finds what is overdue."""
