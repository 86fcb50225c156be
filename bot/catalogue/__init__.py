"""The intent files: what admins write, checked and turned into one frozen Catalogue."""
