"""Clients and backends that mean harm: each bounded in count and time, and only against an address that it is given."""
