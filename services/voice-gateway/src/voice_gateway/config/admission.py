"""Settings of admission: how much the process takes upon itself, and what one caller may have."""

from voice_gateway.config.reader import Reader, Section
from voice_gateway.session.admission.gate import AdmissionSettings
from voice_gateway.session.admission.load import LoadLimits
from voice_gateway.setting_kinds import integer

_DEFAULTS = AdmissionSettings()

MAX_SESSIONS = integer(
    "MAX_SESSIONS",
    _DEFAULTS.max_sessions,
    (1, 5_000),
    "",
    "sessions at the same time; one more is refused AT_CAPACITY at once",
)

ADMIT_MAX_CPU_PERCENT = integer(
    "ADMIT_MAX_CPU_PERCENT",
    _DEFAULTS.load.max_cpu_percent,
    (0, 400),
    "%",
    "CPU of the process at which newcomers are refused AT_CAPACITY, of one core or of a smaller limit; 0: no matter",
)
ADMIT_MAX_ADDED_MS = integer(
    "ADMIT_MAX_ADDED_MS",
    _DEFAULTS.load.max_added_ms,
    (0, 10_000),
    "ms",
    "how late reply audio may leave before newcomers are refused AT_CAPACITY; 0: no matter",
)

SECTIONS = (Section("Admission", (MAX_SESSIONS, ADMIT_MAX_CPU_PERCENT, ADMIT_MAX_ADDED_MS)),)


def read_admission(reader: Reader) -> AdmissionSettings:
    load = LoadLimits(reader.read(ADMIT_MAX_CPU_PERCENT), reader.read(ADMIT_MAX_ADDED_MS))
    return AdmissionSettings(max_sessions=reader.read(MAX_SESSIONS), load=load)
