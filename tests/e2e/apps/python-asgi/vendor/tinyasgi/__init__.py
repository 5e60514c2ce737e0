"""As much of an ASGI server as a test needs."""
