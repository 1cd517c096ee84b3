"""Writes the dashboards of the gateway's chart from monitoring/. With --check: fails if one is stale."""

import sys

import generated

from monitoring.dashboards import pages

if __name__ == "__main__":
    folder = generated.ROOT / "helm" / "voice-gateway" / "dashboards"
    sys.exit(max(generated.publish_at(folder / name, page) for name, page in pages().items()))
