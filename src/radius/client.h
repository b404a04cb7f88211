// The client's side of RADIUS for one service (authentication, or accounting) of several servers:
// identifiers, retransmission, fail-over. It owns no socket and knows no time: datagrams and the
// time go in, datagrams and results come out of poll(), in order.
//
// A server that leaves a request without an answer for all its tries, and has answered nothing else
// meanwhile, is dead: others are asked instead. It is tried again with one request when its dead
// time is over, or with Status-Server (RFC 5997). A request that belongs to a conversation stays
// with its server, because nobody else knows its State.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "base/slab.h"
#include "base/strong_id.h"
#include "base/timer_queue.h"
#include "radius/failure.h"
#include "radius/packet.h"
#include "radius/signature.h"

namespace culvert::radius {

struct Server {
  std::string name;  // as sentences name it
  Endpoint endpoint;
  SecretBytes secret;
  Duration timeout = std::chrono::seconds(2);  // of the first try; those after it wait longer
  std::uint32_t tries = 3;                     // the first included
  Duration dead_time = std::chrono::seconds(60);
  std::uint32_t sockets = 8;   // at most; each has 256 identifiers
  bool status_server = false;  // RFC 5997: ask it whether it is back
  bool stream = false;         // RadSec (RFC 6614): nothing is sent twice over one connection
};

struct RequestTag;
using RequestId = StrongId<RequestTag, std::uint64_t>;

// Octets of a request's attributes, what the client adds not counted.
inline constexpr std::size_t kMaxRequestAttributes =
    limits::kMaxRadiusPacket - kHeaderSize - (2 + kAuthenticatorSize) - (2 + kMaxPasswordSize);

struct Request {
  Code code = Code::access_request;
  Bytes attributes;      // as AttributeWriter writes them, without Message-Authenticator
  SecretBytes password;  // for User-Password; empty: none
  std::optional<std::uint32_t> server = {};  // this one only, by its index
};

// ---- what comes out ----

struct Transmit {
  std::uint32_t server = 0;
  std::uint32_t socket = 0;  // of this server's, from zero on; each with a port of its own
  Bytes octets;
};
struct Answered {
  RequestId id;
  std::uint32_t server = 0;
  Packet packet;
  Authenticator request_authenticator;
};
struct Failed {
  RequestId id;
  Failure failure;
};
struct ServerDead {
  std::uint32_t server = 0;
  std::string_view why;  // a literal
};
struct ServerAlive {
  std::uint32_t server = 0;
};
// A datagram that changed nothing.
struct Dropped {
  std::uint32_t server = 0;
  Endpoint remote;
  std::string_view why;  // a literal
};
using Output = std::variant<Transmit, Answered, Failed, ServerDead, ServerAlive, Dropped>;

class Client {
 public:
  static constexpr std::size_t kMaxServers = 64;

  // In order of preference, at most kMaxServers. The provider outlives the client.
  Client(Provider& provider, std::vector<Server> servers);

  // Answered or Failed comes out once for each, unless it is cancelled.
  RequestId send(Request request, TimePoint now);
  void cancel(RequestId id, TimePoint now);
  // What came to this server's socket.
  void receive(std::uint32_t server, std::uint32_t socket, const Endpoint& remote, ByteView octets,
               TimePoint now);
  // The connection has ended that requests were sent over (streams).
  void lost(std::uint32_t server, std::uint32_t socket);
  // The server's port is closed, or no connection to it comes about.
  void refused(std::uint32_t server, std::uint32_t socket, TimePoint now);

  // Expires what is due; nothing: all done until next_timer().
  std::optional<Output> poll(TimePoint now);
  TimePoint next_timer() const { return timers_.next(); }

  const Server& server(std::uint32_t index) const { return states_[index].server; }
  std::size_t servers() const { return states_.size(); }
  bool alive(std::uint32_t index) const { return states_[index].alive; }
  std::size_t outstanding() const { return requests_.size(); }

 private:
  static constexpr std::uint32_t kNoSlot = ~std::uint32_t{0};
  static constexpr std::uint32_t kIdentifiers = 256;

  struct Pending {
    Request request;
    std::uint32_t server = 0;
    std::uint32_t slot = kNoSlot;  // socket and identifier; none: it waits for one
    std::uint64_t tried = 0;       // servers, one bit each
    SignedRequest packet;
    TimePoint began{}, sent{}, deadline{};  // sent: first, to this server
    Duration wait{};
    std::uint32_t tries_left = 0;
    bool lost = false;                           // with the connection that it was sent over
    bool trial = false;                          // whether the server is back
    bool probe = false;                          // Status-Server, of our own
    Failure::Kind seen = Failure::Kind::silent;  // what came instead of an answer
  };
  using PendingHandle = Handle<Pending>;
  struct State {
    Server server;
    std::vector<PendingHandle> slots;   // 256 for each socket in use
    std::deque<std::uint32_t> free;     // the one that was free longest is used first
    std::deque<PendingHandle> waiting;  // for a slot
    bool alive = true;
    bool on_trial = false;
    bool probing = false;  // with Status-Server
    TimePoint dead_until{};
    std::optional<TimePoint> answered;  // last
  };
  // Of a request; or, where that is null, of a server that is to be probed.
  struct Due {
    PendingHandle request;
    std::uint32_t server = 0;
  };

  static RequestId id_of(PendingHandle handle) {
    return {std::uint64_t{handle.generation} << 32 | handle.index};
  }
  static PendingHandle handle_of(RequestId id) {
    return {static_cast<std::uint32_t>(id.value), static_cast<std::uint32_t>(id.value >> 32)};
  }
  std::optional<std::uint32_t> choose(const Pending& pending, TimePoint now) const;
  bool usable(std::uint32_t server, TimePoint now) const;
  void assign(PendingHandle handle, std::uint32_t server, TimePoint now);
  void take_slot(PendingHandle handle, TimePoint now);
  std::uint32_t free_slot(State& state);
  void release(PendingHandle handle, TimePoint now);
  void arm(PendingHandle handle, TimePoint now);
  void transmit(Pending& pending);
  void expire(PendingHandle handle, TimePoint now);
  bool move_on(PendingHandle handle, TimePoint now);
  void give_up(PendingHandle handle, TimePoint now);
  void finish(PendingHandle handle, Failure::Kind kind, TimePoint now);
  void mark_dead(std::uint32_t server, std::string_view why, TimePoint now);
  void mark_alive(std::uint32_t server);
  void probe(std::uint32_t server, TimePoint now);
  void drop(std::uint32_t server, const Endpoint& remote, std::string_view why);
  std::vector<PendingHandle> outstanding_on(std::uint32_t server, std::uint32_t socket) const;
  PendingHandle asked(std::uint32_t server, std::uint32_t socket, std::uint8_t identifier) const;

  Provider& provider_;
  std::vector<State> states_;
  Slab<Pending> requests_;
  TimerQueue<Due> timers_;
  std::deque<Output> outputs_;
};

}  // namespace culvert::radius
