"""What may not stand in the tree, and what the manuals must mention."""

import re

# Spelt so that this file does not find itself.
_FORBIDDEN = (
    (re.compile(r"(?<![\w.])/(?:wor[k]|far[m]|roo[t]|hom[e]/\w+)/"), "a path of one machine"),
    (re.compile(r"/tm[p]/[bc]-"), "a path of one machine"),
    (re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b"), "work left undone"),
)


def violations(path, text):
    """Of one file: "path:line: what: the line"."""
    return [f"{path}:{number}: {what}: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), 1)
            for pattern, what in _FORBIDDEN if pattern.search(line)]


def options_in_help(text):
    """The long options that a --help names, but for itself."""
    return sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)) - {"--help"})


def subcommands_in_help(text):
    """The subcommands that CLI11's --help lists: two spaces, the name, two or more spaces."""
    listed = re.search(r"^(?:Subcommands|SUBCOMMANDS):\n((?: {2}.*\n?)+)", text, re.MULTILINE)
    return re.findall(r"^ {2}([a-z][a-z-]*)", listed.group(1), re.MULTILINE) if listed else []


def unmentioned(words, manual):
    """Which of the words a manual page does not have. roff has \\- for a minus, \\fB for bold."""
    plain = re.sub(r"\\f(?:\[\w*\]|\(..|.)", "", manual).replace("\\-", "-")
    return [word for word in words
            if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", plain)]
