"""Sizes: lines of a file, lines of a function, columns of a line.

Functions of C++ are found by their braces: good enough for code that clang-format laid out, and
nothing that it does not understand counts as a function.
"""

import ast
import re

FILE_LINES = 600
FUNCTION_LINES = 70
COLUMNS = 100

_LITERAL = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"([^()\\\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|"""
    r"""(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'""", re.DOTALL)
_CONTAINER = re.compile(r"(?:^|[\s;])(?:namespace|class|struct|union|enum|extern)\b")
_INITIALISER = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:).*[\w>]$", re.DOTALL)


def _blank(match):
    """Comments and literals without their text, lines kept."""
    return "\n" * match.group().count("\n") if match.group()[0] == "/" else (
        '""' + "\n" * match.group().count("\n"))


def _kind_of_brace(header, inside):
    """What a brace opens: container, function, initialiser (of a member), block."""
    if inside not in ("file", "container"):
        return "block"
    if _INITIALISER.search(header):
        return "initialiser"
    outside_parens = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", header))
    assigns = re.search(r"(?<![=!<>])=(?!=)", outside_parens.replace("operator=", ""))
    if "(" in header and not assigns:
        return "function"
    return "container" if _CONTAINER.search(header) else "block"


def cxx_functions(text):
    """(line of the opening brace, number of lines, what stands before the brace) of each."""
    text = re.sub(r"^[ \t]*#(?:.*\\\n)*.*", lambda m: "\n" * m.group().count("\n"),
                  _LITERAL.sub(_blank, text), flags=re.MULTILINE)
    stack, header, line, found = [("file", 0, "")], "", 1, []
    for character in text:
        if character == "\n":
            line += 1
        if character == "{":
            kind = _kind_of_brace(header.strip(), stack[-1][0])
            stack.append((kind, line, header.strip()))
            header = header if kind == "initialiser" else ""
        elif character == "}" and len(stack) > 1:
            kind, start, name = stack.pop()
            if kind == "function":
                found.append((start, line - start + 1, re.sub(r"\s+", " ", name)[-60:]))
            header = header + "}" if kind == "initialiser" else ""
        elif character == ";" and stack[-1][0] != "initialiser":
            header = ""
        elif stack[-1][0] != "initialiser":
            header += character
    return found


def python_functions(text):
    return [(node.lineno, node.end_lineno - node.lineno + 1, node.name)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def violations(path, text):
    """Of one source file: "path:line: what is too long"."""
    lines = text.splitlines()
    found = []
    if len(lines) > FILE_LINES:
        found.append(f"{path}: {len(lines)} lines, at most {FILE_LINES}")
    found += [f"{path}:{number}: {len(line)} columns, at most {COLUMNS}"
              for number, line in enumerate(lines, 1) if len(line) > COLUMNS]
    functions = (cxx_functions(text) if path.endswith((".cc", ".h")) else
                 python_functions(text) if path.endswith(".py") else [])
    found += [f"{path}:{start}: {length} lines in one function, at most {FUNCTION_LINES}: {name}"
              for start, length, name in functions if length > FUNCTION_LINES]
    return found
