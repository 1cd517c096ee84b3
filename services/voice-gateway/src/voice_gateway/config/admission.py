"""Settings of admission: how much the process takes upon itself, and what one caller may have."""

from voice_gateway.config.reader import Reader, Section
from voice_gateway.session.admission.gate import AdmissionSettings
from voice_gateway.setting_kinds import integer

_DEFAULTS = AdmissionSettings()

MAX_SESSIONS = integer(
    "MAX_SESSIONS",
    _DEFAULTS.max_sessions,
    (1, 5_000),
    "",
    "sessions at the same time; one more is refused AT_CAPACITY at once",
)

SECTIONS = (Section("Admission", (MAX_SESSIONS,)),)


def read_admission(reader: Reader) -> AdmissionSettings:
    return AdmissionSettings(max_sessions=reader.read(MAX_SESSIONS))
