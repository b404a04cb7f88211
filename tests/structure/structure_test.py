#!/usr/bin/env python3
"""The rules of the house, on the tree as it is; and on bad samples, to show that each can fail."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness
import layers
import prose
import purity
import sizes
import tree

LIBRARIES = os.path.join(os.path.dirname(os.environ.get(
    "CULVERT_BIN", os.path.join(tree.ROOT, "build", "bin"))), "lib")


class Rule(unittest.TestCase):
    def assert_none(self, violations):
        if violations:
            self.fail(f"{len(violations)} found\n" + "\n".join(violations))


class Layers(Rule):
    def test_includes_go_up_only(self):
        self.assert_none([line for path in tree.files()
                          if path.startswith("src/") and path.endswith(tree.CXX)
                          for line in layers.include_violations(path, tree.text(path))])

    def test_libraries_link_up_only(self):
        self.assert_none([line for path in glob.glob("src/*/CMakeLists.txt", root_dir=tree.ROOT)
                          for line in layers.link_violations(path, tree.text(path))])

    def test_architecture_page_has_the_same_order(self):
        self.assertEqual(layers.order_in(tree.text("docs/architecture.md")), layers.ORDER)

    def test_bad_samples(self):
        self.assertEqual(len(layers.include_violations(
            "src/wire/a.cc", '#include "shard/shard.h"\n#include "base/bytes.h"\n')), 1)
        self.assertEqual(len(layers.include_violations(
            "src/ikev2/a.cc", '# include "sim/world.h"\n#include "local.h"\n')), 2)
        self.assertEqual(len(layers.include_violations("src/odd/a.cc", '#include "base/b.h"')), 1)
        self.assertEqual(len(layers.link_violations(
            "src/net/CMakeLists.txt", "culvert_library(net LINK culvert_base culvert_wire)")), 1)


class Purity(Rule):
    def test_nothing_above_the_line_reaches_outside(self):
        if not os.path.isdir(LIBRARIES):
            self.skipTest("nothing is built")
        if "-asan" in LIBRARIES or "-tsan" in LIBRARIES:
            self.skipTest("sanitizers bring symbols of their own")
        archives = {folder: os.path.join(LIBRARIES, f"libculvert_{folder}.a")
                    for folder in layers.ABOVE_THE_LINE}
        built = {folder: path for folder, path in archives.items() if os.path.exists(path)}
        self.assertIn("shard", built)
        self.assert_none([f"libculvert_{folder}.a needs {symbol}"
                          for folder, path in built.items()
                          for symbol in purity.violations(folder, purity.undefined(path))])

    def test_bad_samples(self):
        compiler = shutil.which("g++")
        if compiler is None:
            self.skipTest("g++ is not installed")
        source = """
            #include <chrono>
            #include <cstdio>
            #include <cstdlib>
            #include <ctime>
            #include <fstream>
            #include <iostream>
            #include <random>
            #include <thread>
            #include <unistd.h>
            long f() { return time(nullptr) + rand() + !getenv("HOME") + write(1, "", 0); }
            auto g() { return std::chrono::steady_clock::now(); }
            void h() { std::cout << "x"; std::thread([] {}).detach(); printf("%d", rand()); }
            unsigned i() { std::ifstream in("x"); return std::random_device{}() + in.peek(); }
            auto j() { return g(); }
        """
        with tempfile.TemporaryDirectory() as folder:
            sample = os.path.join(folder, "sample.o")
            harness.run([compiler, "-x", "c++", "-std=c++20", "-c", "-o", sample, "-"],
                        stdin=source, timeout=60)
            found = "\n".join(purity.violations("wire", purity.undefined(sample)))
        for word in ("time", "rand", "getenv", "write", "steady_clock::now", "std::cout",
                     "std::thread", "printf", "random_device", "fstream"):
            self.assertIn(word, found)
        self.assertEqual(purity.violations("wire", ["RAND_bytes", "memcpy"]), ["RAND_bytes"])
        self.assertEqual(purity.violations("crypto", ["RAND_bytes", "EVP_DigestSign"]), [])


class Sizes(Rule):
    def test_sources_stay_within_the_limits(self):
        self.assert_none([line for path in tree.files()
                          if path.endswith(tree.CXX) or tree.is_script(path)
                          for line in sizes.violations(path, tree.text(path))])

    def test_bad_samples(self):
        self.assertEqual(len(sizes.violations("a.cc", "int a;\n" * 601)), 1)
        self.assertEqual(len(sizes.violations("a.cc", "// " + "x" * 98 + "\n")), 1)
        body = "  f();\n" * 69
        for header in ("void f()", "int A::g(int a = 3) const noexcept", "auto h() -> int",
                       "A::A(int x) : x_(x), y_{x}", "A& A::operator=(const A& o)",
                       "TEST(A, b)"):
            sample = f'namespace a {{ // {{\nconst char* k = "{{";\n{header} {{\n{body}}}\n}}\n'
            found = sizes.violations("a.cc", sample)
            self.assertEqual(len(found), 1, f"{header}: {found}")
            self.assertIn(":3: 71 lines in one function", found[0])
        self.assertEqual(sizes.violations("a.cc", f"class A {{\n{body * 2}}};\n"), [])
        table = "constexpr int k[] = {\n" + "1,\n" * 90 + "};"
        self.assertEqual(sizes.violations("a.h", table), [])
        self.assertEqual(len(sizes.violations("a.py", "def f():\n" + "    f()\n" * 70)), 1)


class Prose(Rule):
    def test_nothing_of_one_machine_and_nothing_undone(self):
        self.assert_none([line for path in tree.files()
                          if not path.startswith("tests/vectors/") and path != "LICENSE"
                          for line in prose.violations(path, tree.text(path))])

    def test_manuals_mention_every_option(self):
        for program in ("culvertd", "culvert"):
            with self.subTest(program):
                path = harness.binary(program)
                manual = next(iter(glob.glob(f"docs/man/{program}.[18]", root_dir=tree.ROOT)), None)
                self.assertIsNotNone(manual, f"docs/man/ has no page of {program}")
                help_text = harness.run([path, "--help"]).stdout
                words = prose.subcommands_in_help(help_text)
                options = prose.options_in_help(help_text)
                for subcommand in words:
                    options += prose.options_in_help(
                        harness.run([path, subcommand, "--help"]).stdout)
                missing = prose.unmentioned(sorted({*words, *options}), tree.text(manual))
                self.assert_none([f"{manual} does not mention {word}" for word in missing])

    def test_manual_of_pki_mentions_every_option(self):
        path = harness.binary("culvert")
        words = prose.subcommands_in_help(harness.run([path, "pki", "--help"]).stdout)
        options = [option for word in words for option in
                   prose.options_in_help(harness.run([path, "pki", word, "--help"]).stdout)]
        page = "docs/man/culvert-pki.1"
        missing = prose.unmentioned(sorted({*words, *options} - {"--uri", "--json"}),
                                    tree.text(page))
        self.assert_none([f"{page} does not mention {word}" for word in missing])

    def test_bad_samples(self):
        for line in ("see /wor" "k/x", "// TOD" "O: later", "/hom" "e/ann/x"):
            self.assertEqual(len(prose.violations("a.cc", line)), 1, line)
        self.assertEqual(prose.violations("a.cc", "/etc/culvert/x, framework/x, todos"), [])
        help_text = ("Options:\n  -h,--help  x\n  --state-dir TEXT  x\n"
                     "Subcommands:\n  up   x\n  why  x\n")
        self.assertEqual(prose.options_in_help(help_text), ["--state-dir"])
        self.assertEqual(prose.subcommands_in_help(help_text), ["up", "why"])
        page = ".B \\-\\-uri\n\\fB\\-\\-level\\fR \\-\\-state\\-dir"
        self.assertEqual(prose.unmentioned(["--uri", "--level", "--state"], page), ["--state"])


class Format(Rule):
    def _unformatted(self, paths, cwd):
        if shutil.which("clang-format-19") is None:
            self.skipTest("clang-format-19 is not installed")
        done = subprocess.run(
            ["clang-format-19", "--dry-run", f"--style=file:{tree.ROOT}/.clang-format", *paths],
            cwd=cwd, text=True, capture_output=True, check=True, timeout=120)
        return sorted({line.split(":")[0] for line in done.stderr.splitlines()
                       if "[-Wclang-format-violations]" in line})

    def test_sources_are_formatted(self):
        self.assert_none(self._unformatted(
            [path for path in tree.files() if path.endswith(tree.CXX)], tree.ROOT))

    def test_bad_sample(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "bad.cc"), "w", encoding="utf-8") as sample:
                sample.write("int  f( ){return 1 ;}\n")
            self.assertEqual(self._unformatted(["bad.cc"], folder), ["bad.cc"])


if __name__ == "__main__":
    harness.main()
