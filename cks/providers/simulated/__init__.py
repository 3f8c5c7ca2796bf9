"""A small cloud of its own, for development and tests: a server, and a client to it."""
