// The subcommands of `culvert pki`, one registration function each. A command works on a structure
// of arguments, and ends well or with a sentence that says what is wrong.
#pragma once

#include <CLI/CLI.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/subcommand.h"

namespace culvert::cli {

// `culvert pki` with all of its subcommands.
void add_pki(CLI::App& app, const Runner& runner);

void add_pki_gen(CLI::App& pki, const Runner& runner);
void add_pki_self(CLI::App& pki, const Runner& runner);
void add_pki_issue(CLI::App& pki, const Runner& runner);
void add_pki_req(CLI::App& pki, const Runner& runner);
void add_pki_signcrl(CLI::App& pki, const Runner& runner);
void add_pki_ocsp(CLI::App& pki, const Runner& runner);
void add_pki_print(CLI::App& pki, const Runner& runner);
void add_pki_verify(CLI::App& pki, const Runner& runner);
void add_pki_pub(CLI::App& pki, const Runner& runner);
void add_pki_keyid(CLI::App& pki, const Runner& runner);
void add_pki_export(CLI::App& pki, const Runner& runner);

// An option that may be given several times, with one value each.
CLI::Option* add_list(CLI::App* command, const std::string& name, std::vector<std::string>& values,
                      const std::string& help);

// Where a result goes: --outform, --out, --force.
struct Output {
  std::string form = "pem";
  std::string path;  // empty: standard output
  bool force = false;
};
void add_output(CLI::App* command, Output& output, const std::string& what);

// --lifetime and the options that say it by date.
struct Window {
  unsigned lifetime_days = 0;  // 0: what the command thinks right
  std::string begin, end, form;
};
void add_window(CLI::App* command, Window& window, const std::string& begin,
                const std::string& end);
struct Validity {
  std::chrono::sys_seconds begin, end;
};
Outcome<Validity> validity_of(const Window& window, unsigned default_days,
                              std::chrono::sys_seconds now);
std::chrono::sys_seconds wall_clock();

// How a signature is made: --digest, --rsa-padding.
struct SigningChoice {
  std::string digest;  // empty: what suits the key
  std::string padding = "pkcs1";
};
void add_signing(CLI::App* command, SigningChoice& choice);

}  // namespace culvert::cli
