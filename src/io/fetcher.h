// Fetches what certificates point to, by HTTP: within a deadline, bounded in size, and holding up
// nobody. Equal questions that are under way at the same time are asked once, answers are kept for
// a moment, and servers that do not answer are left alone for a while.
#pragma once

#include <map>
#include <set>

#include "ike/evidence.h"
#include "io/http_message.h"
#include "io/name_lookup.h"

namespace culvert::io {

class Fetcher {
 public:
  struct Options {
    Duration deadline = std::chrono::seconds(8);      // of all that one job asks for
    Duration patience = std::chrono::seconds(4);      // with one server
    Duration leave_alone = std::chrono::seconds(30);  // a server that did not answer
    Duration keep = std::chrono::seconds(10);         // an answer, for who asks next
    std::size_t max_transfers = 64;                   // at a time; others wait
    std::uint32_t mark = 0;       // of its packets, so that they do not wait for a tunnel
    NameLookup::Function lookup;  // default: getaddrinfo()
  };
  using Done = std::function<void(FetchedEvidence&&)>;

  // The loop outlives the fetcher.
  Fetcher(EventLoop& loop, Options options);
  ~Fetcher();

  // `done` is called once, on the loop's thread, not before this returns and within the deadline;
  // never after the fetcher has gone.
  void fetch(FetchEvidence&& wanted, Done done);

 private:
  struct Job;
  struct Search;
  struct Transfer;
  using Key = std::pair<std::string, Bytes>;  // URL and body
  using Answer = std::expected<std::shared_ptr<const Bytes>, std::string>;
  struct Kept {
    Answer answer;
    TimePoint until;
  };

  // A search goes through the URLs of one request.
  void try_next(const std::shared_ptr<Job>& job, std::size_t index);
  void take(const std::shared_ptr<Job>& job, std::size_t index, const Answer& answer);
  void end(const std::shared_ptr<Job>& job);
  void ask(Key key, std::size_t max_size, std::function<void(const Answer&)> then);
  void start_waiting();
  void finish(const std::shared_ptr<Transfer>& transfer, const Answer& answer, bool dead);
  void keep(const Key& key, const Answer& answer);

  // One exchange with a server.
  void begin(const std::shared_ptr<Transfer>& transfer);
  void connect(const std::shared_ptr<Transfer>& transfer);
  void send(const std::shared_ptr<Transfer>& transfer);
  void receive(const std::shared_ptr<Transfer>& transfer);
  void conclude(const std::shared_ptr<Transfer>& transfer);

  EventLoop& loop_;
  Options options_;
  NameLookup names_;
  std::set<std::shared_ptr<Job>> jobs_;
  std::map<Key, std::shared_ptr<Transfer>> transfers_;  // waiting or running
  std::deque<std::weak_ptr<Transfer>> waiting_;
  std::size_t running_ = 0;
  std::map<Key, Kept> kept_;
  std::size_t kept_octets_ = 0;
  std::map<std::string, TimePoint> silent_;  // by authority: until when it is left alone
};

}  // namespace culvert::io
