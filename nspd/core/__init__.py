"""Sessions, lookups, the router, shared work: tasks and scopes, but no sockets and no bytes."""
