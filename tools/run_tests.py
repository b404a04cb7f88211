#!/usr/bin/env python3
"""Runs the tests that are built and the scripts beside them, and counts what happened.

    tools/run_tests.py [--build DIR] [KIND|FILTER ...]

Invariant: the last line is "N passed, N failed, N skipped"; the status is 0 only when at least one
test ran and none failed. A program that crashes, hangs or reports nothing is a failed test.
"""

import argparse
import concurrent.futures
import dataclasses
import glob
import json
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KINDS = ("structure", "unit", "exchange", "sim", "netns", "interop", "vm")
GTEST_TIMEOUT_S = 900
SCRIPT_TIMEOUT_S = 2400
SIM_TIMEOUT_S = 600
VM_TIMEOUT_S = 1500
VM_PEERS = ("libreswan", "openiked")  # Debian packages that can't be installed beside strongSwan
VM_CANNOT = 77  # tools/vm: this machine can't run a guest


@dataclasses.dataclass
class Row:
    """One test. status: passed, failed or skipped."""
    name: str
    status: str
    message: str = ""


@dataclasses.dataclass
class Program:
    """One process that runs tests. form: how it takes filters and reports: gtest, script, sim."""
    kind: str
    name: str
    argv: list
    form: str
    timeout_s: int


def gtest_programs(build):
    for path in sorted(glob.glob(os.path.join(build, "bin", "test_*"))):
        name = os.path.basename(path)
        kind = {"test_exchange": "exchange", "test_sim": "sim"}.get(name, "unit")
        yield Program(kind, name, [path], "gtest", GTEST_TIMEOUT_S)


def script_programs():
    for kind in ("structure", "netns", "interop"):
        for path in sorted(glob.glob(os.path.join(ROOT, "tests", kind, "*_test.py"))):
            name = f"{kind}/{os.path.basename(path)[:-len('_test.py')]}"
            yield Program(kind, name, [*as_root(kind), sys.executable, path], "script",
                          SCRIPT_TIMEOUT_S)


def vm_programs():
    """All tests of tests/vm in one guest, because booting takes longer than most of them."""
    guest = [os.path.join(ROOT, "tools", "vm"), "--timeout", str(VM_TIMEOUT_S)]
    for package in VM_PEERS:
        guest += ["--package", package]
    yield Program("vm", "vm", [*as_root("vm"), *guest], "vm", VM_TIMEOUT_S + 300)


def as_root(kind):
    """What makes a script root: network namespaces need it."""
    if kind == "structure" or os.geteuid() == 0 or not shutil.which("sudo"):
        return []
    return ["sudo", "--preserve-env=CULVERT_BIN,PATH"]


def sim_programs(build):
    path = os.path.join(build, "bin", "sim")
    if os.access(path, os.X_OK):
        seed = str(secrets.randbelow(2**63))
        print(f"sim: a fresh seed, {seed} (./dev sim {seed} replays it)", flush=True)
        yield Program("sim", f"sim/seed-{seed}", [path, seed], "sim", SIM_TIMEOUT_S)


def selected(programs, words):
    """Programs of the named kinds, and how to narrow each: (program, filters)."""
    kinds = [word for word in words if word in KINDS]
    filters = [word for word in words if word not in KINDS]
    for program in programs:
        if kinds and program.kind not in kinds:
            continue
        if kinds == [] and program.kind == "vm" and filters:
            continue  # a guest is booted when asked for, or for everything
        whole = not filters or any(word in program.name for word in filters)
        yield program, [] if whole else filters


class Runner:
    def __init__(self, build):
        self.logs = os.path.join(build, "test-logs")
        # The address sanitizer keeps freed memory back; tests that watch a daemon's would see it.
        self.environment = {"ASAN_OPTIONS": "quarantine_size_mb=8", **os.environ,
                            "CULVERT_BIN": os.path.join(build, "bin")}
        shutil.rmtree(self.logs, ignore_errors=True)
        os.makedirs(self.logs)

    def log(self, program):
        return os.path.join(self.logs, program.name.replace("/", "-") + ".log")

    def run(self, program, filters):
        """The rows of one program; none when the filters match nothing in it."""
        report = self.log(program).removesuffix(".log") + ".json"
        started = time.monotonic()
        status = self._execute(program, self._arguments(program, filters, report))
        rows = self._rows(program, status, report)
        counts = ", ".join(f"{sum(row.status == state for row in rows)} {state}"
                           for state in ("passed", "failed", "skipped")
                           if any(row.status == state for row in rows))
        if rows:
            print(f"{program.name:32} {counts} ({time.monotonic() - started:.1f} s)", flush=True)
        return rows

    def _arguments(self, program, filters, report):
        if program.form == "vm":
            return ["--write", self.logs, sys.executable,
                    os.path.join(ROOT, "tests", "vm", "all.py"), "--json", report, *filters]
        if program.form == "gtest":
            narrowed = [f"--gtest_filter={':'.join(f'*{word}*' for word in filters)}"]
            return [f"--gtest_output=json:{report}", *(narrowed if filters else [])]
        if program.form == "script":
            return ["--json", report, *filters]
        return []

    def _execute(self, program, arguments):
        """The exit status; "no end" after the program's time is up."""
        with open(self.log(program), "wb") as output:
            process = subprocess.Popen([*program.argv, *arguments], stdin=subprocess.DEVNULL,
                                       stdout=output, stderr=subprocess.STDOUT, cwd=ROOT,
                                       env=self.environment)
            try:
                return process.wait(program.timeout_s)
            except subprocess.TimeoutExpired:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                return f"no end within {program.timeout_s} s"
            except BaseException:
                process.terminate()
                process.wait(30)
                raise

    def _rows(self, program, status, report):
        if program.form == "sim":
            return [Row(program.name, "passed" if status == 0 else "failed", f"status {status}")]
        if program.form == "vm" and status == VM_CANNOT:
            return [Row(program.name, "skipped", last_line(self.log(program)))]
        read = read_gtest if program.form == "gtest" else read_script
        try:
            rows = read(program.name, report, self.log(program))
        except (OSError, ValueError, KeyError):
            rows = finished_before_crash(program.name, self.log(program))
            rows.append(Row(program.name, "failed", f"ended without a report, status {status}"))
        if status != 0 and not any(row.status == "failed" for row in rows):
            rows.append(Row(program.name, "failed", f"all its tests passed, yet status {status}"))
        return rows


def read_gtest(name, path, log):
    with open(path, encoding="utf-8") as report:
        suites = json.load(report)["testsuites"]
    with open(log, encoding="utf-8", errors="replace") as text:
        # Debian 12's GoogleTest leaves the reason of a skip out of its report.
        reasons = dict(re.findall(r"^\[ RUN      \] (\S+)\n[^\n]*: Skipped\n(.*?)\n\[  SKIPPED",
                                  text.read(), re.MULTILINE | re.DOTALL))
    rows = []
    for suite in suites:
        for test in suite["testsuite"]:
            full_name = f"{suite['name']}.{test['name']}"
            state = {"COMPLETED": "passed", "SKIPPED": "skipped"}.get(test["result"])
            if state is None:
                continue  # left out by the filter
            failures = [note["failure"] for note in test.get("failures", [])]
            rows.append(Row(f"{name}.{full_name}", "failed" if failures else state,
                            "\n".join(failures) or reasons.get(full_name, "")))
    return rows


def last_line(log):
    with open(log, encoding="utf-8", errors="replace") as text:
        return (text.read().splitlines() or [""])[-1]


def read_script(name, path, _log):
    with open(path, encoding="utf-8") as report:
        return [Row(f"{name}.{row['name']}", row["status"], row["message"])
                for row in json.load(report)]


def finished_before_crash(name, log):
    """What a gtest program printed of its tests before it ended without a report."""
    with open(log, encoding="utf-8", errors="replace") as text:
        return [Row(f"{name}.{test}", "passed" if state == "     OK" else "failed")
                for state, test in re.findall(r"^\[  (     OK|FAILED ) \] (\S+) \(", text.read(),
                                              re.MULTILINE)]


def run_all(runner, chosen):
    """In-process tests side by side; what measures time or makes networks, one after the other."""
    together = [pair for pair in chosen if pair[0].kind in ("unit", "exchange", "structure")]
    alone = [pair for pair in chosen if pair not in together]
    rows = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for result in pool.map(lambda pair: (pair[0], runner.run(*pair)), together):
            rows += [(result[0], row) for row in result[1]]
    for pair in alone:
        rows += [(pair[0], row) for row in runner.run(*pair)]
    return rows


def summarise(runner, rows):
    for program, row in rows:
        if row.status == "skipped":
            print(f"SKIPPED {row.name}: {row.message.strip()}")
    for program, row in rows:
        if row.status == "failed":
            excerpt = "\n    ".join(row.message.strip().splitlines()[-8:])
            print(f"FAILED {row.name}\n    {excerpt}\n    log: "
                  f"{os.path.relpath(runner.log(program), ROOT)}")
    passed, failed, skipped = (sum(row.status == state for _, row in rows)
                               for state in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 0 if failed == 0 and passed > 0 else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(ROOT, "build"), metavar="DIR")
    parser.add_argument("words", nargs="*", metavar="KIND|FILTER")
    options = parser.parse_args()
    build = os.path.abspath(options.build)
    runner = Runner(build)
    programs = [*script_programs(), *gtest_programs(build), *vm_programs()]
    wanted = [word for word in options.words if word in KINDS]
    if not options.words or "sim" in wanted:
        programs += sim_programs(build)
    return summarise(runner, run_all(runner, list(selected(programs, options.words))))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("interrupted")
