"""Writes a day's interactions to a file of JSON lines; a cut export leaves no file. For a nightly job.

    TWIG_API_KEY=… python nightly_export.py FOLDER [YYYY-MM-DD]      (yesterday, UTC, when no day is given)
"""

from __future__ import annotations

import json
import os
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from twig_ai import Twig


def export(twig: Twig, folder: Path, day: date) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"interactions-{day}.ndjson"
    part, count = target.with_suffix(".part"), 0
    try:
        with part.open("w") as file:
            for interaction in twig.interactions.export(start_date=day, end_date=day):
                file.write(json.dumps(interaction, ensure_ascii=False) + "\n")
                count += 1
        # Only a whole export gets its name.
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)
    print(f"{count} interactions in {target}")
    return count


def main() -> None:
    yesterday = datetime.now(timezone.utc).date() - timedelta(days=1)
    with Twig() as twig:
        export(twig, Path(sys.argv[1]), date.fromisoformat(sys.argv[2]) if len(sys.argv) > 2 else yesterday)


if __name__ == "__main__":
    main()
