"""The namespaces that ship with nspd; others come through the entry-point group nspd.providers."""
