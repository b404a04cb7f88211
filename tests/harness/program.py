"""Runs a test script and writes its results as JSON for tools/run_tests.py.

    SCRIPT [--json FILE] [--list] [FILTER ...]      FILTER: a part of Class.method
"""

import argparse
import json
import os
import signal
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def binary(name):
    """The path of a built program."""
    path = os.path.join(os.environ.get("CULVERT_BIN", os.path.join(ROOT, "build", "bin")), name)
    if not os.access(path, os.X_OK):
        raise FileNotFoundError(f"{name} is not built: ./dev build")
    return path


class _Results(unittest.TextTestResult):
    """Collects one row per test: name, status (passed, failed, skipped), seconds, message."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.rows = []
        self._row = None

    def startTest(self, test):
        super().startTest(test)
        self._started = time.monotonic()
        self._row = {"name": _name(test), "status": "passed", "message": ""}

    def stopTest(self, test):
        self._row["seconds"] = round(time.monotonic() - self._started, 3)
        self.rows.append(self._row)
        self._row = None
        super().stopTest(test)

    def _note(self, test, status, message):
        row = self._row
        if row is None:  # setUpClass or setUpModule: no test has started
            row = {"name": _name(test), "seconds": 0}
            self.rows.append(row)
        if row.get("status") != "failed":
            row.update(status=status, message=message)

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, "failed", self.errors[-1][1])

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, "failed", self.failures[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            text = "".join(unittest.result.traceback.format_exception(*err))
            self._note(test, "failed", f"{subtest}\n{text}")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._note(test, "skipped", reason)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self._note(test, "failed", "expected to fail, and passed")


def _name(test):
    return test.id().removeprefix("__main__.")


def _flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flatten(test)
        else:
            yield test


def main(module="__main__"):
    """Runs the tests of the calling script; exits with status 1 when one failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("filters", nargs="*", metavar="FILTER")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):  # an interrupt cleans up, also in the background
        signal.signal(number, signal.default_int_handler)
    tests = [test for test in _flatten(unittest.defaultTestLoader.loadTestsFromModule(
                 sys.modules[module]))
             if not options.filters or any(word in _name(test) for word in options.filters)]
    if options.list:
        print("\n".join(_name(test) for test in tests))
        return
    runner = unittest.TextTestRunner(verbosity=2, resultclass=_Results)
    results = runner.run(unittest.TestSuite(tests))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as output:
            json.dump(results.rows, output, indent=1)
    sys.exit(0 if results.wasSuccessful() else 1)
