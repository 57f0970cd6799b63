"""Uploads a folder into a data spec, some files at a time, and waits until they can be asked about.

    TWIG_API_KEY=… python bulk_upload.py FOLDER [DATA_SPEC_ID]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import List, Optional

from twig_ai import AsyncTwig
from twig_ai.types import Run

FILES_PER_REQUEST = 20
REQUESTS_AT_ONCE = 4


def show(run: Run) -> None:
    progress = run["progress"]
    print(f"{run['status']}: {progress['documentsDone']} of {progress['documentsSeen']} documents")


async def upload(folder: Path, spec_id: Optional[str]) -> Run:
    files: List[Path] = sorted(path for path in folder.rglob("*") if path.is_file())
    batches = [files[start : start + FILES_PER_REQUEST] for start in range(0, len(files), FILES_PER_REQUEST)]
    gate = asyncio.Semaphore(REQUESTS_AT_ONCE)
    async with AsyncTwig() as twig:
        id = spec_id or (await twig.data_specs.create(name=folder.name, type="file"))["id"]

        async def send(batch: List[Path]) -> None:
            async with gate:
                for document in await twig.data_specs.upload_files(id, batch):
                    print(f"uploaded {document['name']} ({document['bytes']} bytes)")

        await asyncio.gather(*map(send, batches))
        started = await twig.data_specs.process(id)
        return await twig.data_specs.wait_for_run(id, started["id"], on_progress=show)


def main() -> None:
    run = asyncio.run(upload(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
    for error in run["errors"]:
        print(f"{error['documentUrl']}: {error['message']}", file=sys.stderr)
    sys.exit(0 if run["status"] == "succeeded" and not run["errors"] else 1)


if __name__ == "__main__":
    main()
