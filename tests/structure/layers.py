"""The order of the layers: a folder of src/ includes and links only folders above it.

Invariant: the order stands here once; docs/architecture.md explains it, and a test compares them.
"""

import re

ABOVE_THE_LINE = ("base net crypto wire policy lease pki eap radius ipsec trace ike ikev1 ikev2 "
                  "shard").split()
BELOW_THE_LINE = "esp xfrm io config control daemon cli".split()
ORDER = ABOVE_THE_LINE + BELOW_THE_LINE

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
_LINK = re.compile(r"culvert_(?:library|program)\s*\(([^)]*)\)")


def _refuses(folder, other):
    """Why `folder` may not use `other`; None when it may."""
    if folder not in ORDER:
        return f"{folder} has no place in the order of the layers"
    if other not in ORDER:
        return f"{other} is no folder of src/"
    if ORDER.index(other) > ORDER.index(folder):
        return f"{other} is below {folder}"
    return None


def include_violations(path, text):
    """Of one file src/FOLDER/…: "path: #include "…": why"."""
    folder = path.split("/")[1]
    found = []
    for name in _INCLUDE.findall(text):
        why = (_refuses(folder, name.split("/")[0]) if "/" in name and not name.startswith("../")
               else "includes name a file from src/ on: folder/file.h")
        if why:
            found.append(f'{path}: #include "{name}": {why}')
    return found


def link_violations(path, text):
    """Of one src/FOLDER/CMakeLists.txt."""
    folder = path.split("/")[1]
    found = []
    for arguments in _LINK.findall(text):
        for other in re.findall(r"\bculvert_(\w+)", arguments.partition("LINK")[2]):
            why = _refuses(folder, other)
            if why:
                found.append(f"{path}: links culvert_{other}: {why}")
    return found


def order_in(document):
    """The folders in the order in which a page's list of src/ names them ("  base/  …")."""
    return re.findall(r"^ {2}(\w+)/ ", document, re.MULTILINE)
