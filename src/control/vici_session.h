// One client of the control socket: reads packets, answers them one after the other, sends events.
#pragma once

#include <array>
#include <asio.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "control/vici_commands.h"
#include "control/vici_message.h"

namespace culvert::vici {

class Session : public std::enable_shared_from_this<Session> {
 public:
  using Socket = asio::generic::stream_protocol::socket;
  // Called once, with the reason in words, or empty when the client closed the connection.
  using Closed = std::function<void(const std::string& reason)>;

  Session(Socket socket, Commands& commands, Closed closed);
  void start();
  void close();

  bool registered(std::string_view event) const { return events_.contains(event); }
  // True when control-log of an active command wants this event.
  bool follows(const trace::Event& event, unsigned level) const;
  // Sends the octets of an event packet; a client that leaves too many unread is disconnected.
  void send_event(ByteView segment);

 private:
  class CommandReply;
  friend class CommandReply;

  void read();
  void process();
  void process_later();
  void handle(Packet&& packet);
  void start_command(Packet&& packet);
  void finish(Message&& message);
  void send(const Packet& packet);
  void queue(Bytes&& segment);
  void write();
  void pump_stream();
  void drop(const std::string& reason);

  Socket socket_;
  Commands& commands_;
  Closed closed_callback_;
  bool closed_ = false;

  SegmentReader reader_;
  std::array<std::uint8_t, 16 * 1'024> input_{};
  bool reading_ = false;
  bool processing_ = false;

  std::set<std::string, std::less<>> events_;
  std::shared_ptr<CommandReply> active_;  // the command that has not been answered yet

  std::deque<Bytes> output_;
  std::vector<Bytes> in_flight_;
  std::size_t queued_octets_ = 0;  // of both
  asio::steady_timer stall_;
};

}  // namespace culvert::vici
