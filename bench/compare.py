"""Compares the gateway of this tree with that of another commit: `make bench-compare BASE=COMMIT`.

Clones the commit into `.cache/compare` with an environment of its own, runs the bench of this tree against both
gateways in turn, and prints the medians of every line. Exit status 1: the new one is worse, or a run was not valid.
Takes some six minutes for each pair, best alone. docs/how-to/measure-the-gateway.md tells how to read it.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.comparison import Measured, Run, compare
from bench.process import ROOT

SECTIONS: Final = ("load", "speculation", "barge-in", "heard", "refusals")
"""Those that drive a whole gateway over sockets."""
DEFAULT_SECTIONS: Final = SECTIONS[:4]
FOLDER: Final = ROOT / ".cache" / "compare"


@dataclass(frozen=True, slots=True)
class Version:
    """One of the two that are compared."""

    name: str
    python: Path
    """The interpreter of the environment that has its gateway."""


def main() -> int:
    """Measure both versions in pairs, and judge them."""
    wanted = _command_line().parse_args()
    base = Version("base", set_up(wanted.base))
    commit = commit_of(wanted.base)
    new = Version("new", Path(sys.executable))
    files = FOLDER / f"{commit}-runs"
    files.mkdir(exist_ok=True)
    found: dict[str, list[Run]] = {base.name: [], new.name: []}
    for pair in range(1, wanted.pairs + 1):
        # in turn the first, so that a machine that gets slower or faster favours neither
        for version in (base, new) if pair % 2 else (new, base):
            print(f"pair {pair} of {wanted.pairs}: {version.name}", file=sys.stderr, flush=True)
            found[version.name].append(_run(version, files / f"{pair}-{version.name}", _bench_arguments(wanted)))
    told, is_good = compare(found[base.name], found[new.name])
    print(f"pairs: {wanted.pairs}; base: {commit}; every run is in {files.relative_to(ROOT)}")
    print("\n".join(told))
    return 0 if is_good else 1


def _command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.compare", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("base", help="commit to compare with")
    parser.add_argument(
        "sections",
        nargs="*",
        metavar="SECTION",
        choices=[*SECTIONS, []],
        help=f"{', '.join(SECTIONS)} (default: {' '.join(DEFAULT_SECTIONS)}); text and leak call this tree's functions",
    )
    parser.add_argument("--pairs", type=int, default=5, help="runs of each (default: %(default)s)")
    parser.add_argument("--sessions", default="1,10,50,100", help="as of the bench (default: %(default)s)")
    parser.add_argument("--seconds", default="30", help="as of the bench (default: %(default)s)")
    return parser


def _bench_arguments(wanted: argparse.Namespace) -> Sequence[str]:
    sections = wanted.sections or DEFAULT_SECTIONS
    return (*sections, "--sessions", wanted.sessions, "--seconds", wanted.seconds)


def commit_of(base: str) -> str:
    """The commit of that name, by twelve digits."""
    return _output("git", "rev-parse", "--verify", f"{base}^{{commit}}")[:12]


def set_up(base: str) -> Path:
    """A clean clone of the commit and its environment, kept for the next time; gives its interpreter."""
    commit = commit_of(base)
    tree = FOLDER / commit
    if not (tree / ".git").exists():
        _call("git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(tree))
    _call("git", "-C", str(tree), "checkout", "--quiet", "--detach", commit)
    _call("make", "--directory", str(tree), "setup")
    return tree / ".venv" / "bin" / "python"


def _run(version: Version, file: Path, arguments: Sequence[str]) -> Run:
    """Run the bench of this tree against that gateway; its table is kept beside its lines.

    Raises:
        SystemExit: it measured nothing.
    """
    lines, table = file.with_suffix(".json"), file.with_suffix(".txt")
    lines.unlink(missing_ok=True)
    command = [sys.executable, "-m", "bench", *arguments, "--gateway", str(version.python), "--json", str(lines)]
    with table.open("w", encoding="utf-8") as output:
        # its status says whether limits were met, which is not the question here
        subprocess.run(command, cwd=ROOT, env=_environment(), stdout=output, check=False)  # noqa: S603 - ours
    if not lines.exists():
        raise SystemExit(f"bench.compare: no lines of the {version.name} version; see {table}")
    return [Measured.of(line) for line in json.loads(lines.read_text(encoding="utf-8"))]


def _environment() -> dict[str, str]:
    """Ours, without what a make that called us says to its own makes."""
    ours = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return {**ours, "GRPC_ENABLE_FORK_SUPPORT": "0"}


def _call(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, env=_environment(), stdout=sys.stderr, check=True)  # noqa: S603 - git and make


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()  # noqa: S603


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        sys.exit(f"bench.compare: {error}")
