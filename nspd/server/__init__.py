"""Sockets, processes, signals and settings around the core."""
