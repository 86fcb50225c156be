"""The conversation as pure decisions: what to do about a message, and in which words. No I/O, no clock, no database."""
