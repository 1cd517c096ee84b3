"""Settings of the server itself: ports, who may call, how it ends."""

import sys
from dataclasses import dataclass
from pathlib import Path

from voice_gateway.config.reader import Reader, Section
from voice_gateway.identity.certificates import ClientCaInvalid, watched_certificates
from voice_gateway.identity.settings import TlsFiles
from voice_gateway.setting_kinds import MAX_PORT, choice, file, folder, integer, switch

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


WORKERS = integer(
    "WORKERS",
    1,
    (1, 64),
    "",
    "processes that serve the ports together, one for each core that the gateway may use; more than 1 needs Linux",
)
GRPC_PORT = integer("GRPC_PORT", 50_051, (0, MAX_PORT), "", "port that clients call; 0 picks a free one")
GRPC_TLS_CERT = file("GRPC_TLS_CERT", "PEM certificate chain; with GRPC_TLS_KEY, clients must use TLS")
GRPC_TLS_KEY = file("GRPC_TLS_KEY", "PEM private key of GRPC_TLS_CERT")
GRPC_TLS_CLIENT_CA = file(
    "GRPC_TLS_CLIENT_CA", "PEM certificates of the authority whose certificate every client must show"
)
HEALTH_PORT = integer(
    "HEALTH_PORT",
    0,
    (0, MAX_PORT),
    "",
    "a second port with the health service alone, without TLS, for probes that cannot speak it; 0: none",
)
METRICS_PORT = integer(
    "METRICS_PORT",
    8_080,
    (0, MAX_PORT),
    "",
    "port of the metrics, over HTTP at /metrics, and of /health; 0 picks a free one",
)
ADMIN_PORT = integer(
    "ADMIN_PORT",
    0,
    (0, MAX_PORT),
    "",
    "port of 127.0.0.1 alone, without TLS, that `voice-gateway top` asks what the process does; 0: none",
)
DEFAULT_ADMIN_PORT = 50_060
"""Where `voice-gateway top` looks unless it is told."""
ADMIN_TEXT = switch("ADMIN_TEXT", default=False, doc="whether that port tells what was said last in each call")
MAX_CONNECTION_AGE_MS = integer(
    "MAX_CONNECTION_AGE_MS",
    600_000,
    (0, 86_400_000),
    "ms",
    "an older connection gets GOAWAY: its calls run on, new ones go elsewhere; 0: never",
)
START_TIMEOUT_MS = integer(
    "START_TIMEOUT_MS",
    10_000,
    (100, 600_000),
    "ms",
    "a call whose first message has not come whole by then ends DEADLINE_EXCEEDED / START_TIMEOUT",
)
SHUTDOWN_GRACE_PERIOD = integer(
    "SHUTDOWN_GRACE_PERIOD", 30, (0, 86_400), "s", "how long running turns may go on after SIGTERM"
)
LOG_LEVEL = choice("LOG_LEVEL", "INFO", _LEVELS, "least severe log lines that are written")
JOURNAL_DIR = folder("JOURNAL_DIR", "folder that gets a journal of each session, with what was said in it")

SECTIONS = (
    Section(
        "Server",
        (
            WORKERS,
            GRPC_PORT,
            GRPC_TLS_CERT,
            GRPC_TLS_KEY,
            GRPC_TLS_CLIENT_CA,
            HEALTH_PORT,
            METRICS_PORT,
            ADMIN_PORT,
            ADMIN_TEXT,
            MAX_CONNECTION_AGE_MS,
            START_TIMEOUT_MS,
            SHUTDOWN_GRACE_PERIOD,
            LOG_LEVEL,
            JOURNAL_DIR,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The server itself."""

    grpc_port: int
    """0: the operating system chooses."""
    tls: TlsFiles | None
    health_port: int
    """0: there is no such port."""
    metrics_port: int
    """0: the operating system chooses."""
    admin_port: int
    """0: there is no such port."""
    has_admin_text: bool
    max_connection_age_ms: int
    """0: connections live as long as their clients want."""
    start_timeout_ms: int
    grace_s: int
    log_level: str
    journal_dir: Path | None
    """None: no journals are kept."""
    workers: int = 1
    """Processes that serve the ports together."""
    worker: int | None = None
    """Which of them this process is, from 0; None: it is none of several."""

    @property
    def shares_ports(self) -> bool:
        """Whether other processes listen on the same ports."""
        return self.worker is not None


def read_server(reader: Reader, worker: int | None = None) -> ServerSettings:
    tls = _read_tls(reader)
    return ServerSettings(
        grpc_port=reader.read(GRPC_PORT),
        tls=tls,
        health_port=reader.read(HEALTH_PORT),
        metrics_port=reader.read(METRICS_PORT),
        admin_port=reader.read(ADMIN_PORT),
        has_admin_text=reader.read(ADMIN_TEXT),
        max_connection_age_ms=reader.read(MAX_CONNECTION_AGE_MS),
        start_timeout_ms=reader.read(START_TIMEOUT_MS),
        grace_s=reader.read(SHUTDOWN_GRACE_PERIOD),
        log_level=reader.read(LOG_LEVEL),
        journal_dir=reader.read(JOURNAL_DIR),
        workers=_read_workers(reader),
        worker=worker,
    )


def _read_workers(reader: Reader) -> int:
    workers = reader.read(WORKERS)
    if workers > 1 and sys.platform != "linux":  # elsewhere SO_REUSEPORT does not spread connections
        reader.mistakes.append(f"{WORKERS.name} above 1 needs Linux (it is {workers})")
    return workers


def _read_tls(reader: Reader) -> TlsFiles | None:
    mistakes = len(reader.mistakes)
    cert, key, client_ca = (reader.read(setting) for setting in (GRPC_TLS_CERT, GRPC_TLS_KEY, GRPC_TLS_CLIENT_CA))
    if len(reader.mistakes) > mistakes:
        return None
    if cert and key:
        tls = TlsFiles(cert, key, client_ca)
        reader.mistakes += _tls_mistakes(tls)
        return tls
    if cert or key:
        reader.mistakes.append(f"{GRPC_TLS_CERT.name} and {GRPC_TLS_KEY.name} must both be set, or neither")
    elif client_ca:
        reader.mistakes.append(f"{GRPC_TLS_CLIENT_CA.name} is set, but {GRPC_TLS_CERT.name} is not: there is no TLS")
    return None


def _tls_mistakes(tls: TlsFiles) -> tuple[str, ...]:
    try:
        watched_certificates(tls)
    except ClientCaInvalid as error:
        return (f"{GRPC_TLS_CLIENT_CA.name} {error}: {tls.client_ca}",)
    except (OSError, ValueError) as error:
        return (f"{GRPC_TLS_CERT.name} and {GRPC_TLS_KEY.name} {error}",)
    return ()
