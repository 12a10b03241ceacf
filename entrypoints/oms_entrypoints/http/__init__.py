"""The HTTP API: an application for any WSGI server, and the server that serves it by default."""
