"""The verb `load`: the runs that are asked for, what is shown and kept, and the exit status."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from voice_client.audio import AudioFileError
from voice_client.errors import ExitStatus, TlsError, UnreachableError, VoiceClientError
from voice_client.load import echo as echoes
from voice_client.load import machine
from voice_client.load.doors import DOORS
from voice_client.load.gates import judge
from voice_client.load.knee import Knee, KneeSearch, Limit, lone_floor_ms
from voice_client.load.options import LoadOptions
from voice_client.load.report.comparison import compare
from voice_client.load.report.page import page
from voice_client.load.report.record import Record, RecordError, from_json, to_json
from voice_client.load.report.tables import tables
from voice_client.load.run import Plan, run
from voice_client.load.scores import Summary
from voice_client.load.screen import Screen
from voice_client.load.script import ScriptError, Utterance, recorded, synthetic

FLOOR_RUNS: Final = 2.5
"""The run of a lone call, by which a search judges all others, is longer by this: its turns are few."""
REST_S: Final = 2.0
"""Between two runs of a search: what the last one left behind is no burden of the next."""


class LoadError(VoiceClientError):
    """Nothing can be measured."""

    status = ExitStatus.USAGE


async def load(options: LoadOptions, screen: Screen) -> ExitStatus:
    """Measure, show and keep.

    Raises:
        LoadError, MeterError: nothing could be measured.
    """
    began_at = datetime.now(UTC).isoformat(timespec="seconds")
    with _stopped_by_ctrl_c() as stop, _as_load_error():
        plan = Plan(
            target=options.target,
            door=DOORS[options.door](),
            utterances=await asyncio.to_thread(_utterances, options.wavs),
            seconds=options.seconds,
            spoken_over_share=options.spoken_over_share,
            meter=options.meter,
            floor_ms=options.floor_ms,
        )
        record = await _measure(options, plan, began_at, stop, screen)
        if stop.is_set():
            screen.say("stopped early: this is what was measured until then")
        kept = [_write(options.json, to_json, record, screen), _write(options.html, page, record, screen)]
        screen.show(tables(record))
    is_whole = all(kept) and is_all_measured(record, has_echo=options.has_echo, is_stopped=stop.is_set())
    return exit_status(record, screen, is_whole=is_whole)


def show_comparison(paths: Sequence[Path], screen: Screen) -> ExitStatus:
    """Compare two records.

    Raises:
        LoadError: a file cannot be read, or holds none.
    """
    records = []
    for path in paths:
        try:
            records.append(from_json(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeError, RecordError) as error:
            raise LoadError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    first, second = records
    screen.show([compare(first, second, paths[0].name, paths[1].name)])
    return ExitStatus.OK


async def _measure(options: LoadOptions, plan: Plan, began_at: str, stop: asyncio.Event, screen: Screen) -> Record:
    before_ms = machine.loop_ms()

    async def one(calls: int) -> Summary:
        with screen.progress(calls) as tell:
            return await run(replace(plan, seconds=run_seconds(options, calls)), calls, stop, tell)

    knee, runs = None, []
    if options.limit_ms is None:
        runs.append(await one(options.calls))
    else:
        knee, runs = await find_knee(options, options.limit_ms, one, stop, screen, settle_s=plan.settle_s)
    record = Record(
        began_at=began_at,
        address=options.target.address,
        door=options.door,
        said=", ".join(path.name for path in options.wavs) or "synthetic speech",
        spoken_over_share=options.spoken_over_share,
        floor_ms=options.floor_ms,
        loop_ms=(before_ms + machine.loop_ms()) / 2,
        cores=os.cpu_count() or 1,
        runs=tuple(runs),
        knee=knee,
    )
    if options.has_echo and not stop.is_set():
        screen.say(f"bare echo, {record.main.calls} calls for {echoes.SECONDS:g} s")
        try:
            record = replace(record, echo=await echoes.measure(plan.door, record.main.calls, stop, plan.meter.pid or 0))
        except echoes.EchoError as error:
            screen.fail(str(error))  # what was measured before is not lost by it
    return replace(record, gates=tuple(judge(record.main, options.limits)))


def run_seconds(options: LoadOptions, calls: int) -> float:
    """Length of a run; longer for the one that makes the floor, whose turns are few."""
    is_floor = calls == 1 and options.limit_ms is not None and options.floor_ms is None
    return options.seconds * (FLOOR_RUNS if is_floor else 1)


async def find_knee(
    options: LoadOptions,
    limit_ms: float,
    one: Callable[[int], Awaitable[Summary]],
    stop: asyncio.Event,
    screen: Screen,
    *,
    settle_s: float,
) -> tuple[Knee, list[Summary]]:
    """Look for the knee with runs that `one` makes; gives the runs, too. A run ends `settle_s` after its time
    at the latest.
    """
    search, runs, faults = KneeSearch(options.max_calls), list[Summary](), dict[int, list[str]]()
    until_s = time.monotonic() + options.max_minutes * 60
    floor_ms = options.floor_ms
    while (calls := search.next_calls()) is not None:
        if runs and (stop.is_set() or time.monotonic() + run_seconds(options, calls) + settle_s > until_s):
            break
        try:
            found = await one(calls)
        except VoiceClientError as error:
            if not runs:
                raise
            screen.fail(f"{calls} calls: {error}")  # what was measured before is not lost by it
            break
        if stop.is_set() and runs:
            break  # half a run says nothing of its number
        if calls == 1 and options.floor_ms is None:
            floor_ms = lone_floor_ms(found)
        faults[calls] = Limit(limit_ms, floor_ms or 0.0).broken(found)
        search.tell(calls, is_good=not faults[calls])
        runs = [run for run in runs if run.calls != calls] + [found]
        screen.say(f"{calls} calls: {'; '.join(faults[calls]) or 'good'}")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), REST_S)
    # a number that was bad because this tool could not keep the pace is no bound of the server
    failed = [run for run in runs if run.calls == search.bad_calls and run.is_in_time]
    is_certain = bool(failed) and search.next_calls() is None
    return Knee(search.good_calls, limit_ms, floor_ms or 0.0, is_certain, faults), runs


def is_all_measured(record: Record, *, has_echo: bool, is_stopped: bool) -> bool:
    """Whether a script may rely on it: gates that half a run has kept are not kept."""
    if is_stopped:
        return not record.gates or not all(gate.is_kept for gate in record.gates)
    return record.echo is not None or not has_echo


def exit_status(record: Record, screen: Screen, *, is_whole: bool) -> ExitStatus:
    """What a script is told; `is_whole`: everything that was asked for has been measured and kept."""
    run = record.main
    if run.invalid_because:
        screen.fail(f"INVALID: {run.invalid_because}")
        return ExitStatus.USAGE
    if not is_whole:
        return ExitStatus.USAGE
    return ExitStatus.OK if all(gate.is_kept for gate in record.gates) else ExitStatus.GATE


def _utterances(wavs: tuple[Path, ...]) -> tuple[Utterance, ...]:
    return recorded(wavs) if wavs else synthetic()


def _write(path: Path | None, form: Callable[[Record], str], record: Record, screen: Screen) -> bool:
    """Whether it is kept, if it was to be: a file that cannot be written takes nothing else with it."""
    try:
        if path is not None:
            path.write_text(form(record), encoding="utf-8")
    except OSError as error:
        screen.fail(f"cannot write {path}: {error.strerror}")
        return False
    return True


@contextlib.contextmanager
def _as_load_error() -> Iterator[None]:
    """Whatever cannot be used or reached, the exit status is that of nothing measured."""
    try:
        yield
    except (AudioFileError, ScriptError, TlsError, UnreachableError) as error:
        raise LoadError(str(error)) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise LoadError(f"{where}{error.strerror or error}") from error


@contextlib.contextmanager
def _stopped_by_ctrl_c() -> Iterator[asyncio.Event]:
    """Set by SIGINT or SIGTERM: what was measured until then is still told."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
