// Leases on disk, in SQLite: what makes addresses stick over a restart. Nobody waits for the disk:
// a thread writes what has changed, in batches.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "lease/lease_book.h"

struct sqlite3;

namespace culvert::io {

class LeaseStore {
 public:
  // What went wrong, as a sentence; may be called on the writing thread.
  using Complain = std::function<void(const std::string&)>;

  // Opens the file, or makes it. One that is broken or is none of ours is set aside, with ".broken"
  // behind its name, and a new one begun. Where that can't be either, nothing is kept.
  LeaseStore(std::string path, Complain complain);
  // Writes what is left.
  ~LeaseStore();
  LeaseStore(const LeaseStore&) = delete;
  LeaseStore& operator=(const LeaseStore&) = delete;

  // What the file had when it was opened; once.
  std::vector<LeaseRecord> take_records() { return std::move(records_); }
  void write(const std::vector<LeaseRecord>& records);

 private:
  struct Close {
    void operator()(sqlite3* database) const;
  };
  using Database = std::unique_ptr<sqlite3, Close>;
  using Records = std::map<IpAddress, LeaseRecord>;

  std::expected<Database, std::string> open();
  bool put(const Records& records);
  void run();

  std::string path_;
  Complain complain_;
  std::vector<LeaseRecord> records_;
  Database database_;  // the thread's, once it runs
  std::mutex mutex_;
  std::condition_variable wake_;
  Records waiting_;  // the latest of each address
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace culvert::io
