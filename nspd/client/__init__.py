"""Client libraries: asynchronous (aio), blocking (sync) and in Winsock terms (nspd.ws2)."""
