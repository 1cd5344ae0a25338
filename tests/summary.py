# SPDX-License-Identifier: BSD-3-Clause
"""summary.py REPORTS SUITE...: the last lines of ./dev test.

Reads what the suites left in the folder REPORTS: SUITE.json of meson test, SUITE.xml of
pytest. Prints why tests failed or were skipped, then the counts of all; exits with 1 when a
test failed, a suite left no report, or nothing ran.
"""
import json
import pathlib
import sys
import xml.etree.ElementTree as xml

MESON_GOOD = {"OK", "EXPECTEDFAIL"}


def of_meson(report):
    """Yields (name, "passed" | "failed" | "skipped", why)."""
    for line in report.read_text().splitlines():
        test = json.loads(line)
        result = test["result"]
        if result in MESON_GOOD:
            yield test["name"], "passed", ""
        elif result == "SKIP":
            yield test["name"], "skipped", (test.get("stdout") or "").strip()[-200:]
        else:
            yield test["name"], "failed", result.lower()


def of_pytest(report):
    for case in xml.parse(report).getroot().iter("testcase"):
        name = f'{case.get("classname")}.{case.get("name")}'
        failure = case.find("failure")
        if failure is None:
            failure = case.find("error")
        skipped = case.find("skipped")
        if failure is not None:
            yield name, "failed", (failure.get("message") or "").split("\n")[0][:200]
        elif skipped is not None:
            yield name, "skipped", skipped.get("message") or ""
        else:
            yield name, "passed", ""


def of_suite(folder, suite):
    for suffix, read in ((".json", of_meson), (".xml", of_pytest)):
        report = folder / (suite + suffix)
        if report.exists():
            return list(read(report)) or [(suite, "failed", "no test ran")]
    return [(suite, "failed", "the suite ended without a report")]


def main(folder, *suites):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for suite in suites:
        for name, outcome, why in of_suite(pathlib.Path(folder), suite):
            counts[outcome] += 1
            if outcome != "passed":
                print(f"{outcome}: {suite}: {name}: {why}")
    print(", ".join(f"{n} {outcome}" for outcome, n in counts.items()))
    return 1 if counts["failed"] or not counts["passed"] else 0


sys.exit(main(*sys.argv[1:]))
