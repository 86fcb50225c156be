"""The room where staff work: a chat on any platform in which every ticket is a thread.

It must not know any platform, and no customer ever hears from here but through the desk.
"""
