"""Dialogues played through the real core under a clock of their own: for transcripts, for `firstline replay`. It judges nothing."""
