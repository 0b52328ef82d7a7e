"""What a node tells Prometheus, and the small HTTP server that it asks."""
