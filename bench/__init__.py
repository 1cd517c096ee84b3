"""Measures the gateway under load: `make bench`, `make bench-compare`."""
