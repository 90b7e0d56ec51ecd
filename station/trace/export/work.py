"""Makes one export in a process of its own, so that the line does not wait while rows are written.

What is wanted comes as one line of JSON on standard input; progress goes out as lines of two numbers, and at the end a
line of JSON says what was made, or why not.
"""

import json
import sys
from pathlib import Path
from typing import Any

from station.config import StationConfig, load_station
from station.errors import StationError
from station.model import Outcome
from station.records import ExportFilter, ExportSet
from station.trace.export import DOCUMENTS, Wanted, make_documents, make_export
from station.trace.export.signing import opened_to_sign
from station.trace.moments import moment


def main() -> None:
    """Make what is asked for, in the station directory that is the only argument."""
    asked = json.loads(sys.stdin.readline())
    try:
        _tell(_made(load_station(Path(sys.argv[1])), asked))
    except StationError as error:
        _tell({"error": f"{error.message} {error.hint}"})


def _made(config: StationConfig, asked: dict[str, Any]) -> dict[str, Any]:
    outcome = Outcome(asked["outcome"]) if asked["outcome"] else None
    times = moment(asked["since"], "since"), moment(asked["until"], "until")
    rows = ExportFilter(asked["order"], asked["product"], "", outcome, *times)
    wanted = Wanted(asked["format"], asked["who"], ExportSet(asked["table"]), rows)
    make = make_documents if wanted.format in DOCUMENTS else make_export
    with opened_to_sign(config) as (records, signer):
        made = make(records, signer, wanted, Path(asked["target"]), _progress)
    return {"rows": made.rows, "sha256": made.sha256}


def _progress(done: int, total: int) -> None:
    try:
        sys.stdout.write(f"{done} {total}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever asked is gone: what is there stays, to go on with, as no disk is full
        raise SystemExit(1) from None


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")


if __name__ == "__main__":
    main()
