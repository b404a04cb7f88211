"""The files of the repository, as the structure tests see them."""

import os
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CXX = (".cc", ".h")


def files():
    """Paths of everything that is, or would be, committed; relative to the root, sorted."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                            capture_output=True, check=True, timeout=30).stdout.splitlines()
    return sorted(path for path in set(listed) if os.path.isfile(os.path.join(ROOT, path)))


def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as source:
        return source.read()


def is_script(path):
    return path.endswith((".py", ".sh")) or path == "dev" or (
        path.startswith("tools/") and "." not in os.path.basename(path))
