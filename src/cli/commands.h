// The subcommands of `culvert`. Each prints to standard output, complaints to standard error, and
// returns the exit status: 0, or 1 when what was asked for did not happen.
#pragma once

#include <string>

namespace culvert::cli {

struct Options {
  std::string uri = "unix:///run/culvert/vici.sock";
  bool json = false;
  bool colours = false;
};

int status(const Options& options, const std::string& connection);  // empty: all
int up(const Options& options, const std::string& connection, const std::string& child,
       unsigned timeout_s);  // 0: until the daemon gives up
int down(const Options& options, const std::string& connection, const std::string& child,
         bool force);
int reload(const Options& options);
int check(const Options& options, const std::string& file);
int why(const Options& options, const std::string& connection);
int follow_log(const Options& options, unsigned level);
int version(const Options& options);
// `input` is a file with the message, in octets or in hex, or the hex itself.
int decode_message(const Options& options, const std::string& input);

}  // namespace culvert::cli
