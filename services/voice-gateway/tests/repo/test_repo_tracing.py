"""What is off costs nothing: who may import OpenTelemetry's SDK."""

import re
import subprocess
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "src" / "voice_gateway"
SDK = re.compile(r"^\s*(?:from|import) opentelemetry\.(?:sdk|exporter)", re.MULTILINE)


def test_the_sdk_is_imported_in_one_place() -> None:
    """All others know OpenTelemetry's API alone, which does nothing by itself."""
    found = [path for path in SOURCES.rglob("*.py") if SDK.search(path.read_text(encoding="utf-8"))]
    assert found == [SOURCES / "observability" / "tracing.py"]


def test_an_untraced_gateway_does_not_load_it() -> None:
    """A process that knows no collector has neither the SDK nor an exporter in its memory."""
    program = (
        "import sys, voice_gateway.app.gateway; print([name for name in sys.modules if 'opentelemetry.sdk' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"
