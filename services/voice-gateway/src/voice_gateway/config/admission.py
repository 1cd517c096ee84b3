"""Settings of admission: how much the process takes upon itself, and what one caller may have."""

from voice_gateway.config.reader import Reader, Section
from voice_gateway.session.admission.gate import AdmissionSettings
from voice_gateway.session.admission.load import LoadLimits
from voice_gateway.session.admission.quotas import QuotaSettings
from voice_gateway.session.admission.shares import Share, divided, too_small
from voice_gateway.setting_kinds import integer, switch

_DEFAULTS = AdmissionSettings()

MAX_SESSIONS = integer(
    "MAX_SESSIONS",
    _DEFAULTS.max_sessions,
    (1, 5_000),
    "",
    "sessions at the same time, of all workers together; one more is refused AT_CAPACITY at once",
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

UNREADY_WHEN_FULL = switch(
    "UNREADY_WHEN_FULL",
    default=_DEFAULTS.unready_when_full,
    doc="a full pod turns unready, until it has been below 90 % for 5 s; for several pods behind a Service that only "
    "knows connections",
)

QUOTA_SESSIONS = integer(
    "QUOTA_SESSIONS",
    0,
    (0, 5_000),
    "",
    "sessions of one caller at the same time, in this gateway; one more is refused QUOTA_EXCEEDED; 0: no limit",
)
QUOTA_NEW_PER_MINUTE = integer(
    "QUOTA_NEW_PER_MINUTE", 0, (0, 100_000), "", "new sessions of one caller in a minute; 0: no limit"
)
QUOTA_AUDIO_S_PER_DAY = integer(
    "QUOTA_AUDIO_S_PER_DAY",
    0,
    (0, 100_000_000),
    "s",
    "audio of one caller that is heard in a day; then newcomers are refused and running calls finish; 0: no limit",
)

SECTIONS = (
    Section("Admission", (MAX_SESSIONS, ADMIT_MAX_CPU_PERCENT, ADMIT_MAX_ADDED_MS, UNREADY_WHEN_FULL)),
    Section("Quotas", (QUOTA_SESSIONS, QUOTA_NEW_PER_MINUTE, QUOTA_AUDIO_S_PER_DAY)),
)


_SHARED = {
    "max_sessions": MAX_SESSIONS,
    "sessions": QUOTA_SESSIONS,
    "new_per_minute": QUOTA_NEW_PER_MINUTE,
    "audio_s_per_day": QUOTA_AUDIO_S_PER_DAY,
}
"""What workers divide among themselves, by the field that it fills."""


def read_admission(reader: Reader, workers: int, share: Share | None) -> AdmissionSettings:
    """What all `workers` take on together, or the `share` of one of them."""
    whole = _read_whole(reader)
    reader.mistakes += [
        f"{_SHARED[field].name} is {total}, which cannot be divided among WORKERS={workers}: each needs 1 at least"
        for field, total in too_small(whole, workers)
    ]
    return whole if share is None else divided(whole, share)


def _read_whole(reader: Reader) -> AdmissionSettings:
    load = LoadLimits(reader.read(ADMIT_MAX_CPU_PERCENT), reader.read(ADMIT_MAX_ADDED_MS))
    quotas = QuotaSettings(
        sessions=reader.read(QUOTA_SESSIONS),
        new_per_minute=reader.read(QUOTA_NEW_PER_MINUTE),
        audio_s_per_day=reader.read(QUOTA_AUDIO_S_PER_DAY),
    )
    return AdmissionSettings(
        max_sessions=reader.read(MAX_SESSIONS),
        load=load,
        quotas=quotas,
        unready_when_full=reader.read(UNREADY_WHEN_FULL),
    )
