// A vici client that waits for its answers: for the command-line program and for tests.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "control/vici_message.h"

namespace culvert::vici {

class Client {
 public:
  using EventHandler = std::function<void(const std::string& name, const Message& message)>;
  template <class T = void>
  using Answer = std::expected<T, std::string>;  // the error is a sentence for the operator

  // Connects to "unix:///run/culvert/vici.sock" or "tcp://127.0.0.1:4502".
  static Answer<Client> connect(std::string_view uri);
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  ~Client();

  // Sends a command and waits for its response. Events that come in between go to `on_event`.
  Answer<Message> request(const std::string& command, const Message& arguments = {},
                          const EventHandler& on_event = {});
  // A command that streams its answer as events of one name: registers for it, sends the command,
  // hands each event to `on_event`, unregisters, returns the response.
  Answer<Message> stream(const std::string& command, const Message& arguments,
                         const std::string& event, const EventHandler& on_event);

  Answer<> register_event(const std::string& event);
  Answer<> unregister_event(const std::string& event);
  // Waits for one event of those registered; nullopt when none came in time (zero: for ever).
  Answer<std::optional<Packet>> next_event(
      std::chrono::milliseconds timeout = std::chrono::milliseconds(0));

 private:
  struct Connection;
  explicit Client(std::unique_ptr<Connection> connection);
  Answer<Packet> exchange(const Packet& packet, const EventHandler& on_event);
  Answer<> confirm(PacketType type, const std::string& event);

  std::unique_ptr<Connection> connection_;
};

// What a response's success and errmsg say: nothing when it succeeded.
std::optional<std::string> failure_of(const Message& response);

}  // namespace culvert::vici
