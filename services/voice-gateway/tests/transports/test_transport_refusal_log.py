"""What is told of calls that got no session."""

import logging

import pytest
from transports.transport_fakes import FakeGateway
from voice_gateway.domain.caller import UNKNOWN
from voice_gateway.domain.errors import ClientError, Limit, Reason, Refused, Unavailable
from voice_gateway.domain.trace_context import TraceContext
from voice_gateway.transports.refusal_log import RefusalLog


def full(limit: Limit) -> Refused:
    """A refusal by this limit."""
    return Refused(Reason.AT_CAPACITY, limit, "full", 1_000)


def test_a_flood_is_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """A line says how many there were since the last one; each limit has its own, and none is kept from the other."""
    now_s = 0.0
    log = RefusalLog(FakeGateway(), lambda: now_s)
    for tenth in range(25):
        now_s = tenth / 10
        log.tell(full(Limit.SESSIONS), "ipv4:192.0.2.1:5", UNKNOWN)
    log.tell(full(Limit.CALLER_NEW), "ipv4:192.0.2.1:5", UNKNOWN)
    told = [(vars(record)["limit"], vars(record)["others_since"]) for record in caplog.records]
    assert told == [("sessions", 0), ("sessions", 9), ("sessions", 9), ("caller_new", 0)]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_a_refusal_names_the_trace_of_its_caller(caplog: pytest.LogCaptureFixture) -> None:
    """A call that was refused is found from its caller's trace; where none is known there is no empty field."""
    log = RefusalLog(FakeGateway(), lambda: 0.0)
    trace = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1")
    log.tell(full(Limit.SESSIONS), "unix:", UNKNOWN, trace)
    log.tell(full(Limit.CALLER_NEW), "unix:", UNKNOWN)
    assert [vars(record).get("traceparent") for record in caplog.records] == [trace.parent, None]


def test_a_flood_of_mistakes_is_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever writes a client finds each kind of its mistakes, and a stranger with a thousand tokens fills no disk."""
    caplog.set_level(logging.INFO)
    gateway = FakeGateway()
    log = RefusalLog(gateway, lambda: 0.0)
    for _ in range(3):
        log.tell(ClientError(Reason.VOICE_UNSUPPORTED, "no such voice"), "unix:", UNKNOWN)
        log.tell(ClientError(Reason.TOKEN_INVALID, "no such token"), "unix:", UNKNOWN)
        log.tell(Unavailable(Reason.START_TIMEOUT, "late"), "unix:", UNKNOWN)
    told = [(record.levelno, vars(record)["reason"]) for record in caplog.records]
    assert told == [
        (logging.INFO, "VOICE_UNSUPPORTED"),
        (logging.INFO, "TOKEN_INVALID"),
        (logging.WARNING, "START_TIMEOUT"),
    ]
    assert len(gateway.refused) == 9
