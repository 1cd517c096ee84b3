"""What several processes take on is divided among them, and nothing is lost or added by that."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voice_gateway.session.admission.gate import AdmissionSettings
from voice_gateway.session.admission.load import LoadLimits
from voice_gateway.session.admission.quotas import QuotaSettings
from voice_gateway.session.admission.sampler import usable_cores
from voice_gateway.session.admission.shares import Share, divided, too_small


@given(total=st.integers(0, 10_000), count=st.integers(1, 64))
def test_shares_add_up_and_are_even(total: int, count: int) -> None:
    """No session is admitted twice or by nobody, and no worker has two more than another."""
    shares = [Share(index, count).of(total) for index in range(count)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


def test_what_is_of_the_gateway_is_divided_and_what_is_of_a_process_is_not() -> None:
    """Sessions and quotas are divided, 0 stays no limit, and limits of load are those of a core."""
    load = LoadLimits(max_cpu_percent=80, max_added_ms=30)
    whole = AdmissionSettings(101, load, QuotaSettings(sessions=5, new_per_minute=0, audio_s_per_day=3_600), True)
    first, second = (divided(whole, Share(index, 2)) for index in range(2))
    assert first == AdmissionSettings(51, load, QuotaSettings(3, 0, 1_800), True)
    assert second == AdmissionSettings(50, load, QuotaSettings(2, 0, 1_800), True)


def test_a_share_of_nothing_is_found() -> None:
    """A worker that may take no session, or none of some caller, would refuse whom the others take."""
    settings = AdmissionSettings(3, quotas=QuotaSettings(sessions=2, new_per_minute=4, audio_s_per_day=0))
    assert dict(too_small(settings, 4)) == {"max_sessions": 3, "sessions": 2}
    assert dict(too_small(settings, 2)) == {}


@pytest.mark.parametrize(
    ("limit", "workers", "cores", "usable"),
    [
        ("max 100000", 2, 4, 1.0),
        ("max 100000", 4, 2, 0.5),
        ("100000 100000", 2, 8, 0.5),
        ("400000 100000", 2, 8, 1.0),
        ("400000 100000", 1, 8, 1.0),
        ("50000 100000", 1, 8, 0.5),
    ],
)
def test_workers_share_the_cores_that_they_are_granted(
    tmp_path: Path, limit: str, workers: int, cores: int, usable: float
) -> None:
    """Two workers on one core are full at half of it each; one process is judged as ever."""
    file = tmp_path / "cpu.max"
    file.write_text(limit, encoding="ascii")
    assert usable_cores(file, workers=workers, cores=cores) == usable
