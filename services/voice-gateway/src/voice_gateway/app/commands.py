"""What the verbs of the command line do."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import uvloop

from voice_gateway import config
from voice_gateway.app import grpc_queue, process
from voice_gateway.app.gateway import VERSION, Gateway
from voice_gateway.app.ports_file import write_ports
from voice_gateway.app.probing import probe
from voice_gateway.app.servers import CannotListen
from voice_gateway.app.workers import held_signals
from voice_gateway.app.workers.member import Member
from voice_gateway.app.workers.place import Place
from voice_gateway.observability.health_page import HealthUnknown, ask, render
from voice_gateway.observability.logs import json_logging
from voice_gateway.observability.loop_lag import watch_loop_lag
from voice_gateway.session.admission.shares import Share
from voice_gateway.session.journal.codec import JournalError, read
from voice_gateway.session.journal.replay import replay as replay_recording
from voice_gateway.turn.core import Core

EXIT_FAILED, EXIT_MISCONFIGURED = 1, 2
SETTLE_S = 0.5
"""Time for what is left of cancelled calls, at the very end."""

_log = logging.getLogger("voice_gateway")


def check_config(*, is_probed: bool = False) -> int:
    """Print what the environment sets, secrets hidden, or what is wrong with it; return the exit code.

    If `is_probed`, each backend is asked once, and 1 is the exit code if a call would fail.
    """
    try:
        settings = config.load()
    except config.ConfigError as error:
        return _tell_mistakes(error)
    sys.stdout.write("".join(f"{line}\n" for line in config.describe()))
    if not is_probed:
        return 0
    sys.stdout.flush()
    _log.addHandler(logging.NullHandler())  # what is found is told below
    findings = uvloop.run(probe(settings))
    sys.stdout.write("".join(f"{line}\n" for line in findings.lines))
    return EXIT_FAILED if findings.has_failure else 0


def health(address: str) -> int:
    """Print what a running gateway says of itself; return the exit code, 0 if it is ready.

    Without an `address` it is the gateway of this environment, on this host.
    """
    try:
        page = ask(address or f"127.0.0.1:{config.metrics_port()}")
    except config.ConfigError as error:
        return _tell_mistakes(error)
    except HealthUnknown as error:
        sys.stderr.write(f"voice-gateway: {error}\n")
        return EXIT_FAILED
    sys.stdout.write("".join(f"{line}\n" for line in render(page)))
    return 0 if page["is_ready"] else EXIT_FAILED


def replay(files: list[Path]) -> int:
    """Print each recorded conversation and what, if anything, went otherwise; return the exit code."""
    codes = [_replay(file) for file in files]
    return max(codes)


def _replay(file: Path) -> int:
    try:
        replayed = replay_recording(read(file.read_bytes().decode("utf-8", "surrogatepass")), Core)
    except (OSError, UnicodeDecodeError, JournalError) as error:
        sys.stderr.write(f"voice-gateway: {file} cannot be replayed: {error}\n")
        return EXIT_MISCONFIGURED
    sys.stdout.write("".join(f"{line}\n" for line in replayed.script))
    if replayed.difference is None:
        return 0
    sys.stdout.flush()
    sys.stderr.write(f"voice-gateway: {file} differs from its replay: {replayed.difference}\n")
    return EXIT_FAILED


def serve(ports_file: Path | None, overrides: Mapping[str, str]) -> int:
    """Serve alone until SIGTERM or SIGINT; return the exit code. `overrides` stand above the environment."""
    return _serve_with(ports_file, overrides, None)


def serve_as_worker(raw: str) -> int:
    """Serve as one of several, as whoever has started this one said; return the exit code."""
    place = Place.read(raw)
    return _serve_with(None, place.settings, place)


def _serve_with(ports_file: Path | None, overrides: Mapping[str, str], place: Place | None) -> int:
    share = None if place is None else Share(place.index, place.count)
    try:
        settings = config.load(overrides=overrides, share=share)
    except config.ConfigError as error:
        return _tell_mistakes(error)
    process.share_one_heap()
    refusal = process.prefer_batch_scheduling()
    always = None if place is None else {"worker": place.index}
    with json_logging(settings.server.log_level, always=always):
        if refusal:
            _log.warning("SCHED_BATCH refused", extra={"reason": refusal})
        try:
            uvloop.run(_serve(settings, ports_file) if place is None else _work(settings, Member(place)))
        except CannotListen as error:
            _log.error("cannot listen", extra={"reason": str(error)})
            return EXIT_FAILED
        except Exception:  # noqa: BLE001 - a fault of ours is a line like any other, and the exit code says the rest
            _log.exception("failed")
            return EXIT_FAILED
    return 0


def _tell_mistakes(error: config.ConfigError) -> int:
    sys.stderr.write("".join(f"voice-gateway: {mistake}\n" for mistake in error.mistakes))
    return EXIT_MISCONFIGURED


async def _serve(settings: config.Settings, ports_file: Path | None) -> None:
    grpc_queue.wake_once()
    signals: asyncio.Queue[None] = asyncio.Queue()
    _on_signals(lambda: signals.put_nowait(None))
    gateway = Gateway(settings)

    def tell(port: int) -> None:
        if ports_file is not None:
            write_ports(ports_file, {"grpc": port, "metrics": gateway.metrics_port})

    await _serve_until(gateway, settings, tell, signals.get, signals.get)


async def _work(settings: config.Settings, member: Member) -> None:
    """Serve as one of several workers."""
    grpc_queue.wake_once()
    orders = member.orders
    _on_signals(orders.signalled)
    held_signals.take()
    gateway = Gateway(settings, member.others)
    try:
        await member.join(gateway.answers())
        await _serve_until(gateway, settings, lambda _: member.listens(), orders.drain.wait, orders.stop.wait)
    finally:
        await member.leave()


async def _serve_until(
    gateway: Gateway,
    settings: config.Settings,
    tell: Callable[[int], None],
    first: Callable[[], Coroutine[Any, Any, object]],
    second: Callable[[], Coroutine[Any, Any, object]],
) -> None:
    """Serve until the first sign to leave, and drain until the second.

    Args:
        gateway: not started yet.
        settings: its settings.
        tell: told the port of the calls when the ports are open.
        first: returns when the drain is to begin.
        second: returns when it is to end.
    """
    lag = asyncio.create_task(watch_loop_lag(gateway.loop_lagged), name="loop lag")
    try:
        port = await gateway.start()
        process.leave_alone_what_stays()
        process.collect_less_often()
        tell(port)
        _log.info("listening", extra={"grpc_port": port, "is_tls": settings.server.tls is not None, "version": VERSION})
        await _first_of(gateway.watch(), first())
        await _first_of(gateway.drain(), second())
    finally:
        await gateway.stop()
        lag.cancel()
        await _settle()
        _log.info("stopped")


async def _settle() -> None:
    """Let gRPC end its own tasks, which it does just after `stop` has returned; cut short, they print tracebacks."""
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others, timeout=SETTLE_S)


def _on_signals(signalled: Callable[[], None]) -> None:
    """What SIGTERM and SIGINT are turned into; the first begins the drain, the second ends it."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, signalled)


async def _first_of(*coroutines: Coroutine[Any, Any, object]) -> None:
    """Return when one of them has ended, the others cancelled; raises what it raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for result in ended:
        if isinstance(result, Exception):
            raise result
