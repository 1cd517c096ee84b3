"""How the gateway reaches Riva. `config` fills these; nothing here reads the environment."""

import re
from dataclasses import dataclass, field
from pathlib import Path

# gRPC refuses other keys, at the first call and with a message that names none ("HTTP2" spec, custom metadata).
_METADATA_KEY = re.compile(r"[0-9a-z_.-]+")


@dataclass(frozen=True, slots=True)
class RivaSettings:
    """One Riva service, speech recognition or synthesis, behind one or several addresses.

    Raises:
        ValueError: no address, or a metadata key that gRPC would refuse.
    """

    addresses: tuple[str, ...]
    """`host:port` each; every address serves the same purpose, not necessarily the same languages."""
    tls: bool = False
    """Encrypt. The server's certificate is checked against `tls_ca_file`, or the system's roots without one."""
    tls_ca_file: Path | None = None
    """PEM file of certificate authorities to trust."""
    metadata: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Key and value pairs sent with every call; hosted Riva wants its key and function id here."""
    connect_deadline_ms: int = 1_000
    """An address that has not taken a call's first message by then is passed over."""
    probe_deadline_ms: int = 2_000
    """An address that has not answered a probe by then is failing."""
    finish_deadline_ms: int = 5_000
    """Recognition: after the end of the audio, the longest wait for each next result and for the end of the stream."""

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.addresses or not all(self.addresses):
            raise ValueError("at least one address is needed, and none may be empty")
        for key, _ in self.metadata:
            if not _METADATA_KEY.fullmatch(key):
                raise ValueError(f"metadata key {key!r} may have only lower-case letters, digits, '_', '-' and '.'")


@dataclass(frozen=True, slots=True)
class RivaTtsSettings:
    """Riva speech synthesis."""

    riva: RivaSettings
    first_audio_deadline_ms: int = 3_000
    """An address that has sent no audio of a sentence by then is passed over."""
    next_audio_deadline_ms: int = 3_000
    """A sentence whose audio stops for this time has failed."""
