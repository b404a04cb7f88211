// A vici client's connection.
// Invariant: at most one command is active; the next packet is looked at only when it has been
// answered and most of the answer has been read, so that neither input nor output can pile up.
#include "control/vici_session.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "trace/render.h"

namespace culvert::vici {

namespace {

// Streams and further commands wait until less than this is unread.
constexpr std::size_t kOutputMark = 64 * 1'024;
// One write that takes longer than this means that nobody reads.
constexpr auto kStallLimit = std::chrono::seconds(60);

}  // namespace

class Session::CommandReply : public Reply, public std::enable_shared_from_this<CommandReply> {
 public:
  explicit CommandReply(std::weak_ptr<Session> session) : session_(std::move(session)) {}

  void respond(Message&& message) override {
    const auto session = active_session();
    if (!session) return;
    answered_ = true;
    next_ = {};
    filter_ = {};
    if (timer_) timer_->cancel();
    session->finish(std::move(message));
  }

  void stream(std::string_view event, Next next) override {
    const auto session = active_session();
    if (!session) return;
    if (!session->registered(event)) return respond({});
    event_ = event;
    next_ = std::move(next);
    session->pump_stream();
  }

  void respond_after(std::chrono::milliseconds delay, Message&& message) override {
    const auto session = active_session();
    if (!session) return;
    timer_.emplace(session->socket_.get_executor(), delay);
    timer_->async_wait([self = shared_from_this(),
                        answer = std::move(message)](const asio::error_code& error) mutable {
      if (!error) self->respond(std::move(answer));
    });
  }

  void follow_log(Filter filter, unsigned level) override {
    filter_ = std::move(filter);
    level_ = level;
  }

  bool follows(const trace::Event& event, unsigned level) const {
    return filter_ && level <= level_ && filter_(event);
  }
  bool streams() const { return static_cast<bool>(next_); }
  std::optional<Message> next() { return next_(); }
  const std::string& event() const { return event_; }

 private:
  std::shared_ptr<Session> active_session() const { return answered_ ? nullptr : session_.lock(); }

  std::weak_ptr<Session> session_;
  bool answered_ = false;
  std::string event_;
  Next next_;
  Filter filter_;
  unsigned level_ = 0;
  std::optional<asio::steady_timer> timer_;
};

Session::Session(Socket socket, Commands& commands, Closed closed)
    : socket_(std::move(socket)),
      commands_(commands),
      closed_callback_(std::move(closed)),
      stall_(socket_.get_executor()) {}

void Session::start() { read(); }

void Session::close() {
  if (closed_) return;
  closed_ = true;
  asio::error_code ignored;
  socket_.close(ignored);
  stall_.cancel();
  active_.reset();
}

void Session::drop(const std::string& reason) {
  if (closed_) return;
  close();
  closed_callback_(reason);
}

void Session::read() {
  if (closed_ || reading_) return;
  reading_ = true;
  socket_.async_read_some(
      asio::buffer(input_),
      [self = shared_from_this()](const asio::error_code& error, std::size_t size) {
        self->reading_ = false;
        if (self->closed_) return;
        if (error) return self->drop(error == asio::error::eof ? "" : error.message());
        self->reader_.feed(ByteView(self->input_).first(size));
        secure_zero(MutableBytes(self->input_).first(size));
        self->process();
      });
}

void Session::process() {
  processing_ = true;
  while (!closed_ && !active_ && queued_octets_ < kOutputMark) {
    const auto segment = reader_.next();
    if (!segment) {
      drop("sent a segment of a forbidden length");
      break;
    }
    if (!*segment) break;
    auto packet = decode_packet(**segment);
    if (!packet) {
      drop(fmt::format("sent a malformed message: {} at octet {}",
                       trace::name_of(packet.error().reason), packet.error().offset));
      break;
    }
    handle(std::move(*packet));
  }
  processing_ = false;
  // Reading goes on while a command is active, to see the client go, but only so far.
  if (reader_.buffered() < limits::kMaxViciMessage + sizeof(std::uint32_t)) read();
}

void Session::process_later() {
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->process(); });
}

void Session::handle(Packet&& packet) {
  switch (packet.type) {
    case PacketType::cmd_request:
      return start_command(std::move(packet));
    case PacketType::event_register:
      if (!Commands::is_event(packet.name)) return send({PacketType::event_unknown, {}, {}});
      events_.insert(packet.name);
      return send({PacketType::event_confirm, {}, {}});
    case PacketType::event_unregister:
      if (events_.erase(packet.name) == 0) return send({PacketType::event_unknown, {}, {}});
      return send({PacketType::event_confirm, {}, {}});
    default:
      return drop(fmt::format("sent a packet of type {}, which only servers send",
                              static_cast<unsigned>(packet.type)));
  }
}

void Session::start_command(Packet&& packet) {
  active_ = std::make_shared<CommandReply>(weak_from_this());
  const auto reply = active_;
  if (commands_.run(packet.name, std::move(packet.message), reply)) return;
  active_.reset();
  send({PacketType::cmd_unknown, {}, {}});
}

void Session::finish(Message&& message) {
  active_.reset();
  send({PacketType::cmd_response, {}, std::move(message)});
  if (!processing_ && !closed_) process_later();
}

bool Session::follows(const trace::Event& event, unsigned level) const {
  return active_ && registered("control-log") && active_->follows(event, level);
}

void Session::send(const Packet& packet) {
  if (closed_) return;
  auto segment = encode_segment(packet);
  if (!segment) {
    // Only a response must come; an event that does not fit into vici's 512 KiB can't.
    if (packet.type != PacketType::cmd_response) return;
    Message error;
    error.add("success", "no").add("errmsg", "the answer is larger than vici allows");
    segment = encode_segment({PacketType::cmd_response, {}, error});
  }
  queue(std::move(*segment));
}

void Session::send_event(ByteView segment) {
  if (closed_) return;
  if (queued_octets_ + segment.size() > limits::kMaxViciBacklog)
    return drop(fmt::format("reads too slowly: {} octets of events wait for it", queued_octets_));
  queue(to_bytes(segment));
}

void Session::queue(Bytes&& segment) {
  queued_octets_ += segment.size();
  output_.push_back(std::move(segment));
  if (in_flight_.empty()) write();
}

void Session::write() {
  std::size_t size = 0;
  std::vector<asio::const_buffer> buffers;
  while (!output_.empty() && size < kOutputMark) {
    size += output_.front().size();
    in_flight_.push_back(std::move(output_.front()));
    output_.pop_front();
  }
  for (const auto& segment : in_flight_) buffers.push_back(asio::buffer(segment));
  stall_.expires_after(kStallLimit);
  stall_.async_wait([weak = weak_from_this()](const asio::error_code& error) {
    const auto self = weak.lock();
    if (self && !error && !self->in_flight_.empty()) self->drop("does not read its answers");
  });
  asio::async_write(socket_, buffers,
                    [self = shared_from_this(), size](const asio::error_code& error, std::size_t) {
                      self->in_flight_.clear();
                      self->queued_octets_ -= size;
                      self->stall_.cancel();
                      if (self->closed_) return;
                      if (error) return self->drop(error.message());
                      if (!self->output_.empty()) self->write();
                      self->pump_stream();
                      self->process();
                    });
}

void Session::pump_stream() {
  while (!closed_ && active_ && active_->streams() && queued_octets_ < kOutputMark) {
    const auto reply = active_;
    auto message = reply->next();
    if (!message) return reply->respond({});
    send({PacketType::event, reply->event(), std::move(*message)});
  }
}

}  // namespace culvert::vici
