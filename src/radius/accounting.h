// Accounting (RFC 2866): start, interim and stop records of sessions, and of the NAS itself. A
// record is kept and sent again until a server acknowledges it, and the records of one session
// reach the servers in their order.
#pragma once

#include <chrono>
#include <deque>
#include <unordered_map>

#include "radius/client.h"
#include "radius/nas.h"

namespace culvert::radius {

// RFC 2866, 5.10
enum class TerminateCause : std::uint32_t {
  none = 0,
  user_request = 1,
  lost_carrier = 2,
  lost_service = 3,
  idle_timeout = 4,
  session_timeout = 5,
  admin_reset = 6,
  admin_reboot = 7,
  nas_error = 9,
  nas_request = 10,
  nas_reboot = 11
};

struct Session {
  std::string id;  // Acct-Session-Id: unlike that of any other, also after a restart
  std::string user_name;
  Port port;
  std::vector<IpAddress> addresses;  // that the client was given
  std::vector<Bytes> classes;        // as Access-Accept had them
  bool by_radius = true;             // who authenticated it: RADIUS, or this machine
  // Zero: no interim records. Shorter ones than kMinInterim are made that long.
  std::chrono::seconds interim{};
};
inline constexpr std::chrono::seconds kMinInterim{60};  // RFC 2869, 5.16

struct Usage {
  std::uint64_t octets_in = 0, octets_out = 0;  // in: from the client
  std::uint64_t packets_in = 0, packets_out = 0;
  bool operator==(const Usage&) const = default;
};

class Accounting {
 public:
  struct Kept;
  using SessionHandle = Handle<Kept>;

  // ---- what comes out ----

  // An interim record is due: call interim() with the counters as they are.
  struct UsageWanted {
    SessionHandle session;
  };
  // No server took a record of this session (empty: of this machine). Said once for each session;
  // the records are kept, unless `lost`.
  struct NotTaken {
    std::string session_id;
    Failure failure;
    bool lost = false;
  };
  using Output = std::variant<UsageWanted, NotTaken>;

  // The client is of the servers' accounting ports, and outlives this. `retry`: how long after all
  // servers have failed.
  Accounting(Client& client, Nas nas, Duration retry = std::chrono::seconds(30))
      : client_(&client), nas_(std::move(nas)), retry_(retry) {}

  // Other servers from now on; what the old ones have not acknowledged goes to them.
  void use(Client& client, Nas nas, TimePoint now);

  SessionHandle start(Session session, std::chrono::sys_seconds wall, TimePoint now);
  void interim(SessionHandle session, const Usage& usage, std::chrono::sys_seconds wall,
               TimePoint now);
  // The handle goes stale.
  void stop(SessionHandle session, const Usage& usage, TerminateCause cause,
            std::chrono::sys_seconds wall, TimePoint now);
  // Other times from now on (Change of Authorization).
  void set_interim(SessionHandle session, std::chrono::seconds interval, TimePoint now);
  // Accounting-On when the machine begins to serve, Accounting-Off when it ends.
  void on(std::chrono::sys_seconds wall, TimePoint now);
  void off(std::chrono::sys_seconds wall, TimePoint now);

  // What the client said; false: of a request that is not ours.
  bool take(const Answered& answered, TimePoint now);
  bool take(const Failed& failed, TimePoint now);

  std::optional<Output> poll(TimePoint now);
  TimePoint next_timer() const { return timers_.next(); }

  const Session* find(SessionHandle session) const;
  // Whose records are not all acknowledged: what a shutdown waits for.
  std::size_t unacknowledged() const { return unacknowledged_; }

  // RFC 2866, 5.1
  enum class Status : std::uint32_t { start = 1, stop = 2, interim = 3, on = 7, off = 8 };
  struct Record {
    Status status{};
    Usage usage;
    TerminateCause cause = TerminateCause::none;
    std::chrono::sys_seconds wall;
    TimePoint at{};
  };
  struct Kept {
    Session session;
    TimePoint began{};
    std::deque<Record> records;  // at most three: the one in flight, an interim one, stop
    RequestId in_flight;
    TimePoint next_interim = kNever;
    TimePoint next_try = kNever;
    bool stopped = false;
    bool complained = false;
  };

 private:
  void add(SessionHandle handle, Record record, TimePoint now);
  void send_next(SessionHandle handle, TimePoint now);
  void machine(Status status, std::chrono::sys_seconds wall, TimePoint now);
  void done(SessionHandle handle, TimePoint now);
  void make_room(TimePoint now);
  void expire(SessionHandle handle, TimePoint now);
  Bytes attributes(const Kept& kept, const Record& record, TimePoint now) const;

  Client* client_;
  Nas nas_;
  Duration retry_;
  Slab<Kept> kept_;
  std::unordered_map<RequestId, SessionHandle> in_flight_;
  TimerQueue<SessionHandle> timers_;
  std::deque<SessionHandle> ended_;  // in their order; those that were acknowledged are stale
  std::size_t unacknowledged_ = 0;
  std::deque<Output> outputs_;
};

}  // namespace culvert::radius
