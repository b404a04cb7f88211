#!/usr/bin/env python3
"""Runs every test script of this folder, within the guest, and joins their results.

    all.py --json FILE [FILTER ...]
"""

import glob
import json
import os
import subprocess
import sys
import tempfile

PATIENCE = "6"
HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    assert sys.argv[1] == "--json"
    report, filters = sys.argv[2], sys.argv[3:]
    rows, status = [], 0
    for path in sorted(glob.glob(os.path.join(HERE, "*_test.py"))):
        name = os.path.basename(path)[:-len("_test.py")]
        with tempfile.TemporaryDirectory() as folder:
            own = os.path.join(folder, "rows.json")
            status |= subprocess.run([sys.executable, path, "--json", own, *filters],
                                     env={**os.environ, "CULVERT_TEST_PATIENCE": PATIENCE},
                                     check=False).returncode
            try:
                with open(own, encoding="utf-8") as text:
                    found = json.load(text)
            except (OSError, ValueError):
                found = [{"name": "script", "status": "failed", "message": "no report"}]
        rows += [{**row, "name": f"{name}.{row['name']}"} for row in found]
    with open(report, "w", encoding="utf-8") as output:
        json.dump(rows, output)
    sys.exit(1 if status else 0)


if __name__ == "__main__":
    main()
