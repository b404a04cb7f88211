// A culvertd that serves one `culvert connect`: it has a folder of its own for its socket, its
// state and its log, and ends with the command.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/secret.h"
#include "cli/locked_folder.h"
#include "control/vici_client.h"

namespace culvert::cli {

class ClientDaemon {
 public:
  struct Plan {
    std::string folder;   // below which there is one for each tunnel that is connected
    std::string profile;  // the TOML file
    std::string tunnel;
    std::string user;  // empty: the profile has all secrets
    SecretBytes password;
  };
  // Started, and ready for commands.
  static Outcome<ClientDaemon> start(const Plan& plan);
  ClientDaemon(ClientDaemon&& other) noexcept;
  ClientDaemon& operator=(ClientDaemon&&) = delete;
  // Ends it, and removes its folder.
  ~ClientDaemon();

  Outcome<vici::Client> connect() const;
  bool runs();
  pid_t process() const { return process_; }
  // The last lines of its log.
  std::string log_tail() const;

  // Ends the `culvert connect` of a tunnel, or of all; how many there were.
  static Outcome<std::size_t> disconnect(const std::string& folder, const std::string& tunnel);

 private:
  ClientDaemon(std::string folder, LockedFolder lock);
  Outcome<> launch(const Plan& plan);
  Outcome<> wait_until_ready();

  std::string folder_;
  std::optional<LockedFolder> lock_;
  pid_t process_ = 0;  // zero: it has ended
};

}  // namespace culvert::cli
