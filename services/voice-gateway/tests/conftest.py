"""The tests run on what the gateway runs on: gRPC reads this once, when its first channel is made."""

import os

from voice_gateway.__main__ import GRPC_EXPERIMENTS

os.environ.setdefault("GRPC_EXPERIMENTS", GRPC_EXPERIMENTS)
