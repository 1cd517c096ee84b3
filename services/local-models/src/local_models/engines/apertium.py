"""Translation through Apertium, where Debian's packages are installed: rules, no weights, a process per text.

Each installed mode (`eng-spa`, `spa-eng_US`) is one direction. Measured 2026-11-21 on an idle machine: 0.12 s per text,
nearly all of it the start of the pipeline's dozen programs.
"""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
from typing import Final

from local_models.engines.recognition import EngineDescription, EngineUnavailableError
from local_models.engines.translation import LanguagePair, TranslationError

INSTALL_HINT: Final = (
    "install Debian's packages apertium and a language pair, for example: apt-get install apertium apertium-eng-spa"
)

_MODE: Final = re.compile(r"([a-z]{2,3})-([a-z]{2,3})(?:_([A-Za-z]+))?")

_TWO_LETTERS: Final = {
    "afr": "af", "arg": "an", "ast": "ast", "bel": "be", "bul": "bg", "cat": "ca", "cym": "cy", "dan": "da",
    "deu": "de", "eng": "en", "epo": "eo", "eus": "eu", "fra": "fr", "glg": "gl", "hbs": "sh", "hin": "hi",
    "ind": "id", "isl": "is", "ita": "it", "mkd": "mk", "nld": "nl", "nno": "nn", "nob": "nb", "oci": "oc",
    "pol": "pl", "por": "pt", "ron": "ro", "rus": "ru", "slv": "sl", "spa": "es", "srd": "sc", "swe": "sv",
    "ukr": "uk", "urd": "ur", "zlm": "ms",
}  # fmt: skip
"""ISO 639-3, as Apertium names its modes, to the ISO 639-1 codes that Riva's clients send."""


class ApertiumEngine:
    """The installed modes."""

    def __init__(self, program: str = "apertium") -> None:
        """Find the program and ask it for its modes. Raises EngineUnavailableError saying what to install."""
        path = shutil.which(program)
        if path is None:
            raise EngineUnavailableError(f"Apertium is not installed; {INSTALL_HINT}")
        listing = subprocess.run([path, "-l"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - the program was just found on the PATH and takes no outside input
        self._program = path
        self._modes = {pair: mode for mode in listing.stdout.split() if (pair := _pair(mode)) is not None}
        self.pairs = tuple(sorted(self._modes, key=lambda pair: (pair.source, pair.target)))
        if not self.pairs:
            raise EngineUnavailableError(f"Apertium has no language pair; {INSTALL_HINT}")

    async def translate(self, text: str, pair: LanguagePair) -> str:
        """One text; words that Apertium does not know stay as they are."""
        mode = self._modes[pair]
        # Not the loop's own subprocesses: uvloop gives a socket for standard input, which apertium cannot open (it
        # prints its usage and exits with 0), and it forks, which gRPC complains of. This way takes 0.3 ms.
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - see above; no shell, and the mode is one it listed
            [self._program, "-u", mode],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        # shielded: whoever gives up, the thread still sees the process to its end and closes its pipes
        conversation = asyncio.ensure_future(asyncio.to_thread(process.communicate, text.encode()))
        try:
            out, errors = await asyncio.shield(conversation)
        except asyncio.CancelledError:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself, which is what is wanted
                os.killpg(process.pid, signal.SIGKILL)
            raise
        translation = out.decode().strip()
        if process.returncode or not translation:
            reason = errors.decode(errors="replace").strip() or f"no answer, exit status {process.returncode}"
            raise TranslationError(f"apertium {mode} failed: {reason}")
        return translation

    def describe(self) -> tuple[EngineDescription, ...]:
        """One row per direction."""
        return tuple(
            EngineDescription("NMT", f"{pair.source} to {pair.target}", "apertium", pair.model, self._program)
            for pair in self.pairs
        )


def _pair(mode: str) -> LanguagePair | None:
    """`spa-eng_US` is es to en-US; None for modes that are not translations (`eng-morph`)."""
    matched = _MODE.fullmatch(mode)
    if matched is None:
        return None
    source, target, region = matched.groups()
    code = _TWO_LETTERS.get(target, target)
    return LanguagePair(_TWO_LETTERS.get(source, source), f"{code}-{region}" if region else code, f"apertium-{mode}")
