"""Prints every test's end as a line of JSON, for suites/python.ts."""

import json
import os
import sys

OUT = os.environ["SUITE_RESULTS"]


def pytest_runtest_logreport(report):
    if report.when != "call" and report.passed:
        return
    with open(OUT, "a", encoding="utf-8") as out:
        json.dump({"test": report.nodeid, "outcome": report.outcome, "why": str(report.longrepr or "")[-4000:]}, out)
        out.write("\n")
