"""`ftcore report RUN`: the page anew."""

import argparse
import json

from ftcore.cli.target import one_run
from ftcore.report.write import write_report


def main(flags: argparse.Namespace) -> int:
    run = one_run(flags)
    write_report(run)
    print(json.dumps({"id": run.id, "report": str(run.report)}) if flags.json else run.report)
    return 0
