"""Tries mutants against tests that are collected once: each in a fork of this process, where the code of one function
is replaced and the tests that call it run, the fastest first, until one fails.

What a function did at import is done: its mutants that no test notices so are tried again in a process of their own.
"""

import gc
import os
import pickle
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import CodeType, FrameType, FunctionType
from typing import Any, NoReturn

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, Phase, settings
from mutant_making import Mutant
from mutant_records import Verdict

_LEAST_WAIT_S = 5.0
_PATIENCE = 10
"""A mutant hangs if a test takes this many times as long with it as without it, and `_LEAST_WAIT_S` more."""
_MEMORY_BYTES = 4 << 30
_AFRESH_S = 1_800
"""A mutant hangs if all tests take longer than this in a process of their own."""
_OF_THE_SIMULATION = ("test_calls_reach_every_situation", "test_calls_have_quiet_moments")
"""They say whether simulated calls are worth something, from hundreds of them; what they would kill dies sooner."""
_LEFT_OUT = ("-k", " and ".join(f"not {name}" for name in _OF_THE_SIMULATION))

Function = tuple[str, str]
"""The file and the qualified name of a function that stands in a module or class."""


@dataclass(frozen=True, slots=True)
class _Run:
    """What one test did without a mutant."""

    took_s: float
    called: frozenset[Function]


@dataclass(frozen=True, slots=True)
class _Child:
    """A mutant that is being tried."""

    pid: int
    mutant: Mutant


class TestsFailError(Exception):
    """The tests fail without any mutant."""


class Trier:
    """A pytest plugin that tries mutants in place of running the tests once."""

    def __init__(self, mutants: Sequence[Mutant], package: Path, tests: Sequence[Path], jobs: int) -> None:
        """`package`: the folder that the modules' names are below; `jobs`: how many mutants are tried at a time."""
        self._mutants = mutants
        self._package = package
        self.tests = tests
        self._jobs = jobs
        self._items: Sequence[pytest.Item] = ()
        self._runs: dict[str, _Run] = {}
        self._functions: dict[tuple[str, int], list[FunctionType]] = defaultdict(list)
        self.tell: Callable[[Mutant, Verdict], None] = lambda *_: None
        self.failing: list[str] = []
        """Tests that fail without any mutant, so that none was tried."""
        self._run_at_import: set[Function] = set()

    def collect(self) -> None:
        """Note what runs until all tests are collected."""
        sys.setprofile(_noting(self._run_at_import, self._package))

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try all mutants; the process that collected the tests runs none."""
        sys.setprofile(None)
        self._items = session.items
        for each in gc.get_objects():
            if isinstance(each, FunctionType) and each.__code__.co_filename.startswith(str(self._package)):
                self._functions[each.__code__.co_filename, each.__code__.co_firstlineno].append(each)
        self._runs, self.failing = self._run_without()
        if self.failing:
            return True
        self._items = sorted(self._items, key=lambda item: self._runs[item.nodeid].took_s)
        for mutant, verdict in self._try_all():
            self.tell(mutant, verdict)
        return True

    def _run_without(self) -> tuple[dict[str, _Run], list[str]]:
        """Run every test in a child, so that nothing of it stays here; what each did, and which fail."""
        read, write = os.pipe()
        if not os.fork():
            _be_quiet()
            with os.fdopen(write, "wb") as out:
                pickle.dump([(item.nodeid, _profiled(item, self._package)) for item in self._items], out)
            os._exit(0)
        os.close(write)
        with os.fdopen(read, "rb") as told:
            runs: list[tuple[str, _Run | None]] = pickle.load(told)  # noqa: S301  our own child wrote it
        os.wait()
        failing = [name for name, run in runs if run is None]
        return {name: run for name, run in runs if run is not None}, failing

    def _try_all(self) -> Iterator[tuple[Mutant, Verdict]]:
        waiting = list(reversed(self._mutants))
        running: dict[int, _Child] = {}
        while waiting or running:
            while waiting and len(running) < self._jobs:
                read, child = self._begin(waiting.pop())
                running[read] = child
            done, _, _ = select.select(list(running), [], [])
            for read in done:
                yield running[read].mutant, _ended(running.pop(read), read)

    def _begin(self, mutant: Mutant) -> tuple[int, _Child]:
        file = self._package / mutant.place.module
        function = (str(file), mutant.place.function)
        items = [item for item in self._items if function in self._runs[item.nodeid].called]
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.close(read)
            self._be_tried(mutant, file, items, write)
        os.close(write)
        return read, _Child(pid, mutant)

    def _be_tried(self, mutant: Mutant, file: Path, items: Sequence[pytest.Item], write: int) -> NoReturn:
        """In the child: tell which test fails first, or an empty line, and end. One that cannot tell is killed, too."""
        try:
            _be_quiet()
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
            is_replaced = self._is_replaced(mutant, file)
            killer = self._killer(items) if is_replaced else ""
            if not killer and (not is_replaced or (str(file), mutant.place.function) in self._run_at_import):
                killer = self._killer_afresh(mutant, file)
            os.write(write, f"{killer}\n".encode())
        finally:
            os._exit(0)

    def _is_replaced(self, mutant: Mutant, file: Path) -> bool:
        """Put the fault into the running code; False if that cannot be done."""
        source = mutant.applied(file.read_text(encoding="utf-8"))
        found = [
            code for code in _codes(compile(source, str(file), "exec")) if code.co_qualname == mutant.place.function
        ]
        functions = [(each, code) for code in found for each in self._functions[str(file), code.co_firstlineno]]
        for function, code in functions:
            if function.__code__.co_freevars != code.co_freevars:
                return False
            function.__code__ = code
        return bool(functions)

    def _killer(self, items: Sequence[pytest.Item]) -> str:
        """The test that fails first, or nothing; a test that takes much longer than it did ends this process."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        for item in items:
            signal.setitimer(signal.ITIMER_REAL, _LEAST_WAIT_S + _PATIENCE * self._runs[item.nodeid].took_s)
            if not _passes(item):
                return item.nodeid
        signal.setitimer(signal.ITIMER_REAL, 0)
        return ""

    def _killer_afresh(self, mutant: Mutant, file: Path) -> str:
        """Whether a test fails, or cannot be collected, in a process whose package has the fault in its source."""
        with TemporaryDirectory() as folder:
            shutil.copytree(self._package, package := Path(folder) / self._package.name)
            (package / mutant.place.module).write_text(mutant.applied(file.read_text(encoding="utf-8")), "utf-8")
            command = (sys.executable, "-m", "pytest", "-qq", "--exitfirst", *_LEFT_OUT, *map(str, self.tests))
            environment = {**os.environ, "PYTHONPATH": folder}
            try:
                code = subprocess.run(command, env=environment, timeout=_AFRESH_S, check=False).returncode  # noqa: S603
            except subprocess.TimeoutExpired:
                return "it hangs"
        return "a process of its own" if code else ""


def try_all(trier: Trier, examples: int) -> None:
    """Collect the tests and try the mutants; properties draw `examples`, the same each time, and do not shrink.

    Raises:
        TestsFailError: a test fails, or cannot be collected, without any mutant.
    """
    os.environ["PROPERTY_EXAMPLES"] = str(examples)
    settings.register_profile(
        "mutants",
        phases=(Phase.explicit, Phase.generate),
        derandomize=True,
        database=None,
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    quiet = ["-qq", "--capture=no", "--durations=0", "-Wignore::pytest.PytestAssertRewriteWarning"]
    arguments = [*quiet, "-pno:randomly", "--timeout=0", "--hypothesis-profile=mutants", *_LEFT_OUT]
    trier.collect()
    code = pytest.main([*arguments, *map(str, trier.tests)], plugins=[trier])
    if trier.failing or code is not pytest.ExitCode.OK:
        raise TestsFailError(", ".join(trier.failing) or f"pytest ended with {code!r}")


def _be_quiet() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)


def _passes(item: pytest.Item) -> bool:
    return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def _noting(called: set[Function], package: Path) -> Callable[[FrameType, str, Any], None]:
    """Adds each function of the package that is called, by what it stands in."""
    folder = str(package)

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(folder):
            called.add((frame.f_code.co_filename, frame.f_code.co_qualname.partition(".<locals>")[0]))

    return note


def _profiled(item: pytest.Item, package: Path) -> _Run | None:
    called: set[Function] = set()
    began = time.perf_counter()
    sys.setprofile(_noting(called, package))
    try:
        passes = _passes(item)
    finally:
        sys.setprofile(None)
    return _Run(time.perf_counter() - began, frozenset(called)) if passes else None


def _ended(child: _Child, read: int) -> Verdict:
    with os.fdopen(read, encoding="utf-8") as told:
        line = told.readline()
    _, status = os.waitpid(child.pid, 0)
    hangs = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
    return Verdict(line.strip() or ("" if line else "it hangs" if hangs else "it crashes"))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)
