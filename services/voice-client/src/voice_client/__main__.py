"""The entry point of the installed command and of `python -m voice_client`."""

import os
import sys

# What gRPC logs of a failed handshake is in the status as well, and the user gets one line. Read when gRPC is imported.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from voice_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
