"""The core of Firstline: the support agreement, the dialogue, the desk. It knows no chat platform."""

__version__ = "0.1.0"
