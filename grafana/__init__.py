"""The Grafana dashboard, made from code, and the tools that try it against a real Prometheus."""
