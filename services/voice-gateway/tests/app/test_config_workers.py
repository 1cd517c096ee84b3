"""Settings of several workers: how many, and what each of them reads."""

import sys

import pytest
from voice_gateway import config
from voice_gateway.app.workers import chosen
from voice_gateway.observability import tracing
from voice_gateway.session.admission.shares import Share


def test_there_is_one_process_unless_more_are_asked_for() -> None:
    """By default nothing is divided and no port is shared."""
    settings = config.load({})
    assert (settings.server.workers, settings.server.worker, settings.server.shares_ports) == (1, None, False)
    assert config.workers({}) == 1


def test_the_command_line_stands_above_the_environment() -> None:
    """`--workers` and `--journal` replace WORKERS and JOURNAL_DIR."""
    assert chosen.overrides(journal=None, workers=None) == {}
    told = chosen.overrides(journal=None, workers="3")
    assert told == {"WORKERS": "3"}
    assert chosen.has_workers(told)
    assert config.workers({"WORKERS": "2"}, {"WORKERS": "1"}) == 1


@pytest.mark.parametrize("value", ["0", "65", "many", "-1"])
def test_a_number_that_is_none_is_a_mistake(value: str) -> None:
    """Nor are any workers started by it."""
    with pytest.raises(config.ConfigError, match=r"WORKERS must be a whole number from 1 to 64"):
        config.load({"WORKERS": value})
    assert config.workers({"WORKERS": value}) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="WORKERS above 1 needs Linux")
def test_each_worker_reads_its_share() -> None:
    """Shares add up to what whoever starts the workers reads, and each knows which one it is."""
    environment = {"WORKERS": "2", "MAX_SESSIONS": "31", "QUOTA_SESSIONS": "3"}
    whole = config.load(environment)
    parts = [config.load(environment, share=Share(index, 2)) for index in range(2)]
    assert whole.admission.max_sessions == 31
    assert [part.admission.max_sessions for part in parts] == [16, 15]
    assert [part.admission.quotas.sessions for part in parts] == [2, 1]
    assert [part.server.worker for part in parts] == [0, 1]
    assert all(part.server.shares_ports for part in parts)


@pytest.mark.skipif(sys.platform != "linux", reason="WORKERS above 1 needs Linux")
def test_a_share_of_nothing_names_both_numbers() -> None:
    """Whoever reads the line sees what to change."""
    with pytest.raises(config.ConfigError) as raised:
        config.load({"WORKERS": "8", "MAX_SESSIONS": "7"})
    assert raised.value.mistakes == (
        "MAX_SESSIONS is 7, which cannot be divided among WORKERS=8: each needs 1 at least",
    )


def test_elsewhere_than_on_linux_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """There the kernel gives all connections to one of those that listen."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(config.ConfigError, match=r"WORKERS above 1 needs Linux \(it is 2\)"):
        config.load({"WORKERS": "2"})


def test_who_starts_workers_makes_no_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trying one needs gRPC, which the first worker has; everything else of traces is checked."""
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    monkeypatch.setattr(tracing, "mistake", lambda _: "tried")
    assert config.load(traced, tries_exporter=False).tracing is not None
    with pytest.raises(config.ConfigError, match="tried"):
        config.load(traced)
    with pytest.raises(config.ConfigError, match="OTEL_TRACES_SAMPLER_ARG"):
        config.load(
            {**traced, "OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"}, tries_exporter=False
        )
