"""Mutation testing of the core: puts small faults into `turn/` and `domain/`, and tells which of them no test notices.

Run it by `make mutants`. It goes on where it was stopped; `.cache/mutants` has what it knows.
"""

import argparse
import random
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from mutant_making import Mutant, mutants_of
from mutant_records import Place, Results, Verdict, digest, read_accepted, wilson
from mutant_trying import TestsFailError, Trier, try_all

ROOT = Path(__file__).resolve().parent.parent
SERVICE = ROOT / "services" / "voice-gateway"
PACKAGE = SERVICE / "src" / "voice_gateway"
TESTS = (SERVICE / "tests" / "turn", SERVICE / "tests" / "domain")
ACCEPTED = SERVICE / "tests" / "accepted_mutants.toml"
RESULTS = ROOT / ".cache" / "mutants" / "results.jsonl"
LEAST_SHARE = 0.95
EXAMPLES = 10
"""Examples of each property: what 2,000 examples notice once is not noticed reliably. A test by hand is better."""


def main() -> int:
    """Try what was asked for and report; 1 if too many survive, or if the list of the accepted is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", help="files or folders below voice_gateway; all of turn and domain")
    parser.add_argument("--sample", type=int, help="how many mutants to draw")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw")
    parser.add_argument("--jobs", type=int, default=2, help="mutants that are tried at a time")
    asked = parser.parse_args()
    files = _files(asked.modules or ["turn", "domain"])
    mutants = [each for file in files for each in mutants_of(_name(file), file.read_text(encoding="utf-8"))]
    accepted = read_accepted(ACCEPTED)
    stale = _stale(accepted, mutants, {_name(file) for file in files})
    counted = [each for each in mutants if each.place not in accepted]
    print(f"{len(mutants)} mutants, of which {len(mutants) - len(counted)} are accepted", flush=True)
    if asked.sample:
        counted = random.Random(asked.seed).sample(counted, min(asked.sample, len(counted)))  # noqa: S311
    try:
        verdicts = _verdicts(counted, asked.jobs)
    except TestsFailError as error:
        print(f"the tests fail without any mutant: {error}", file=sys.stderr)
        return 1
    for place in stale:
        print(f"\n{ACCEPTED.name} has a mutant that there is not: {place}")
    return 0 if _report(counted, verdicts) and not stale else 1


def _files(names: Sequence[str]) -> list[Path]:
    paths = [PACKAGE / name for name in names]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.glob("**/*.py")))]
    if not files:
        sys.exit(f"no module: {' '.join(names)}")
    return files


def _name(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def _stale(accepted: dict[Place, str], mutants: Sequence[Mutant], modules: set[str]) -> list[Place]:
    made = {mutant.place for mutant in mutants}
    gone = {place.module for place in accepted if not (PACKAGE / place.module).exists()}
    return [place for place in accepted if place not in made and place.module in modules | gone]


def _verdicts(mutants: Sequence[Mutant], jobs: int) -> dict[Mutant, Verdict]:
    """What came of each, from earlier runs where they know it."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    tests = [file for folder in (*TESTS, SERVICE / "tests" / "gateway_kit") for file in folder.rglob("*.*")]
    core = [file for room in ("turn", "domain") for file in PACKAGE.glob(f"{room}/**/*.py")]
    results = Results(RESULTS, digest(core), digest(file for file in tests if file.suffix != ".pyc"))
    names = {mutant: _identity(mutant) for mutant in mutants}
    verdicts = {each: known for each, name in names.items() if (known := results.get(name)) is not None}
    unknown = [mutant for mutant in mutants if mutant not in verdicts]

    def tell(mutant: Mutant, verdict: Verdict) -> None:
        results.add(names[mutant], verdict)
        verdicts[mutant] = verdict
        if not verdict.killer:
            print(_described(mutant), flush=True)

    if unknown:
        trier = Trier(unknown, PACKAGE, TESTS, jobs)
        trier.tell = tell
        try_all(trier, EXAMPLES)
    return verdicts


def _identity(mutant: Mutant) -> str:
    return sha256(repr((mutant.place, mutant.line, mutant.start, mutant.text)).encode()).hexdigest()[:16]


def _described(mutant: Mutant) -> str:
    place = mutant.place
    return f"\n{place.module}:{mutant.line} {place.function}\n- {place.was}\n+ {place.becomes}"


def _report(mutants: Sequence[Mutant], verdicts: dict[Mutant, Verdict]) -> bool:
    """Print the survivors and the score; whether that is high enough."""
    survivors = [mutant for mutant in mutants if not verdicts[mutant].killer]
    print("\n--- survivors" if survivors else "\nnone survives")
    print("".join(f"{_described(mutant)}\n" for mutant in survivors), end="")
    killed, tried = len(mutants) - len(survivors), len(mutants)
    share, (low, high) = killed / tried if tried else 1.0, wilson(killed, tried)
    print(f"\nkilled: {killed} of {tried}, {share:.1%}; 95 % interval {low:.1%} to {high:.1%}")
    return share >= LEAST_SHARE


if __name__ == "__main__":
    sys.exit(main())
