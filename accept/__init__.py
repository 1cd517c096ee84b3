"""Acceptance in real time: `make accept`."""
