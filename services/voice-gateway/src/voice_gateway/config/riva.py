"""Settings of Riva: recognition and synthesis."""

import ssl
from pathlib import Path

from voice_gateway.backends.riva.settings import RivaSettings, RivaTtsSettings
from voice_gateway.config.reader import Reader, Section
from voice_gateway.domain.audio import INPUT_RATES_HZ, OUTPUT_RATES_HZ
from voice_gateway.setting_kinds import (
    Setting,
    addresses,
    file,
    integer,
    language,
    metadata,
    rate,
    sentence,
    switch,
    text,
)

_TTS = RivaTtsSettings(RivaSettings(("localhost:50061",)))


RIVA_URI = addresses("RIVA_URI", "localhost:50061", "Riva, where one address serves both ASR and TTS")
ASR_URI = addresses("ASR_URI", "", "Riva ASR; several addresses share the load", default_note="`RIVA_URI`")
TTS_URI = addresses("TTS_URI", "", "Riva TTS; several addresses share the load", default_note="`RIVA_URI`")
RIVA_TLS = switch("RIVA_TLS", default=False, doc="call Riva over TLS")
RIVA_TLS_CA = file("RIVA_TLS_CA", "PEM certificates that Riva's are checked against, instead of the system's")
RIVA_METADATA = metadata("RIVA_METADATA", "gRPC metadata sent with every call to Riva, as hosted services ask for")


ASR_LANGUAGE = language("ASR_LANGUAGE", "en-US", "language of sessions that name none, as a BCP-47 code")
ASR_SAMPLE_RATE = rate("ASR_SAMPLE_RATE", 16_000, INPUT_RATES_HZ, "rate of the audio sent to Riva ASR")
BACKEND_PATIENCE_MS = integer(
    "BACKEND_PATIENCE_MS",
    0,
    (0, 3_600_000),
    "ms",
    "a session ends after this time without speech recognition; 0: it waits without end",
)
ASR_APOLOGY = sentence(
    "ASR_APOLOGY",
    "Sorry, I cannot hear you right now. Please wait a moment.",
    "what is said, once, to who speaks while speech recognition is away",
)
TTS_VOICE = text("TTS_VOICE", "", "voice of sessions that name none", default_note="Riva's choice")
TTS_SAMPLE_RATE = rate("TTS_SAMPLE_RATE", 22_050, OUTPUT_RATES_HZ, "rate of reply audio in sessions that name none")
TTS_FIRST_AUDIO_DEADLINE_MS = integer(
    "TTS_FIRST_AUDIO_DEADLINE_MS",
    _TTS.first_audio_deadline_ms,
    (100, 60_000),
    "ms",
    "longest wait for the first audio of a sentence",
)

SECTIONS = (
    Section("Riva", (RIVA_URI, ASR_URI, TTS_URI, RIVA_TLS, RIVA_TLS_CA, RIVA_METADATA)),
    Section("Speech recognition", (ASR_LANGUAGE, ASR_SAMPLE_RATE, BACKEND_PATIENCE_MS, ASR_APOLOGY)),
    Section("Speech synthesis", (TTS_VOICE, TTS_SAMPLE_RATE, TTS_FIRST_AUDIO_DEADLINE_MS)),
)


def read_asr(reader: Reader) -> RivaSettings:
    return _riva(reader, ASR_URI)


def read_tts(reader: Reader) -> RivaTtsSettings:
    return RivaTtsSettings(_riva(reader, TTS_URI), reader.read(TTS_FIRST_AUDIO_DEADLINE_MS))


def _riva(reader: Reader, addresses: Setting[tuple[str, ...]]) -> RivaSettings:
    is_tls, ca_file = reader.read(RIVA_TLS), reader.read(RIVA_TLS_CA)
    if ca_file and not is_tls:
        reader.mistakes.append(f"{RIVA_TLS_CA.name} is set, but {RIVA_TLS.name} is false")
    elif ca_file and not _has_certificates(ca_file):
        reader.mistakes.append(f"{RIVA_TLS_CA.name} has no PEM certificates: {ca_file}")
    return RivaSettings(
        addresses=reader.read(addresses) or reader.read(RIVA_URI),
        tls=is_tls,
        tls_ca_file=ca_file,
        metadata=reader.read(RIVA_METADATA),
    )


def _has_certificates(ca_file: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(ca_file)
    except (ssl.SSLError, OSError):
        return False
    return True
