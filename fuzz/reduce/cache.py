"""Answers of the predicate, kept by content hash; on disk as well if a folder is given, so that a stop loses none."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Final

from wasm.case import Case

ANSWERS: Final = "answers.jsonl"
BEST: Final = "best.json"


class Answers:
    """What the predicate said so far, and the best case.

    With a ``folder``: one JSON line per answer, appended and flushed as it comes, and the best case replaced whole. The
    folder belongs to one input and one predicate; ``key`` names them, and answers under another key are not used. A
    torn last line (the process was killed) is skipped.
    """

    def __init__(self, folder: Path | None = None, key: str = "") -> None:
        self.folder, self.key = folder, key
        self.known: dict[str, bool] = {}
        self._log: IO[str] | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self._read(folder / ANSWERS)
            self._log = (folder / ANSWERS).open("a", encoding="utf-8")

    def _read(self, path: Path) -> None:
        if not path.exists():
            return
        text = path.read_text(encoding="utf-8")
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if entry.get("key") == self.key:
                self.known[entry["digest"]] = entry["interesting"]
        if text and not text.endswith("\n"):
            with path.open("a", encoding="utf-8") as log:
                log.write("\n")

    def get(self, digest: str) -> bool | None:
        return self.known.get(digest)

    def put(self, digest: str, interesting: bool) -> None:
        self.known[digest] = interesting
        if self._log is not None:
            self._log.write(json.dumps({"key": self.key, "digest": digest, "interesting": interesting}) + "\n")
            self._log.flush()

    def best(self, case: Case) -> None:
        """Note the best case so far."""
        if self.folder is not None:
            temporary = self.folder / f"{BEST}.new"
            temporary.write_text(json.dumps({"key": self.key, "case": case.to_json()}), encoding="utf-8")
            os.replace(temporary, self.folder / BEST)

    def stored_best(self) -> Case | None:
        """The best case of an earlier run under the same key, if there is one."""
        if self.folder is None:
            return None
        try:
            entry = json.loads((self.folder / BEST).read_text(encoding="utf-8"))
            return Case.from_json(entry["case"]) if entry["key"] == self.key else None
        except (OSError, ValueError, KeyError):
            return None

    def close(self) -> None:
        if self._log is not None:
            self._log.close()
