"""The ways into the order management system: HTTP server, workers and command line."""
