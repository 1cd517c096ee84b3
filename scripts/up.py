"""Starts local-models and the gateway and leaves them running until Ctrl-C: `make up`."""

import signal
import sys
from pathlib import Path

from accept import stack

LOGS = Path(__file__).resolve().parent.parent / ".cache" / "up"
PORT = 50051


def main() -> int:
    """Serve until SIGINT or SIGTERM; return the exit status."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with stack.running(logs=LOGS, gateway_port=PORT) as servers:
            print((servers.logs / "local-models.log").read_text())
            print(f"gateway on {servers.gateway}; logs in {servers.logs}")
            print("talk to it:   .venv/bin/voice-client talk            (microphone; on Linux it needs libportaudio2)")
            print("or type:      .venv/bin/voice-client talk --text")
            print("Ctrl-C ends both servers", flush=True)
            signal.pause()
    except stack.StackError as error:
        print(f"up: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
