"""What the log says of calls that got no session."""

import logging

import pytest
from voice_gateway.domain.caller import UNKNOWN
from voice_gateway.domain.errors import ClientError, Limit, Reason, Refused
from voice_gateway.transports.refusal_log import RefusalLog


def full(limit: Limit) -> Refused:
    """A refusal by this limit."""
    return Refused(Reason.AT_CAPACITY, limit, "full", 1_000)


def test_a_flood_is_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """A line says how many there were since the last one; each limit has its own, and none is kept from the other."""
    now_s = 0.0
    log = RefusalLog(lambda: now_s)
    for tenth in range(25):
        now_s = tenth / 10
        log.tell(full(Limit.SESSIONS), "ipv4:192.0.2.1:5", UNKNOWN)
    log.tell(full(Limit.CALLER_NEW), "ipv4:192.0.2.1:5", UNKNOWN)
    told = [(vars(record)["limit"], vars(record)["others_since"]) for record in caplog.records]
    assert told == [("sessions", 0), ("sessions", 9), ("sessions", 9), ("caller_new", 0)]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_mistake_of_a_client_is_always_told(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever writes a client finds each of its mistakes."""
    caplog.set_level(logging.INFO)
    log = RefusalLog(lambda: 0.0)
    for _ in range(3):
        log.tell(ClientError(Reason.VOICE_UNSUPPORTED, "no such voice"), "unix:", UNKNOWN)
    assert [record.levelno for record in caplog.records] == [logging.INFO] * 3
