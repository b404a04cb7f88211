// Invariant: a batch is one transaction; what a crash loses is the last batches, never the file.
#include "io/lease_store.h"

#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace culvert::io {
namespace {

constexpr int kApplication = 0x43'55'4c'56;  // "CULV", in the file's header
constexpr int kVersion = 1;
constexpr auto kTryAgain = std::chrono::seconds(5);
constexpr std::size_t kMaxIdentity = 65'536;

constexpr const char* kSchema =
    "CREATE TABLE lease (address BLOB PRIMARY KEY, identity BLOB NOT NULL,"
    " sequence INTEGER NOT NULL) WITHOUT ROWID";
constexpr const char* kPut =
    "INSERT INTO lease VALUES (?1, ?2, ?3) ON CONFLICT (address) DO UPDATE"
    " SET identity = ?2, sequence = ?3";

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;

Statement prepare(sqlite3* database, const char* text) {
  sqlite3_stmt* statement = nullptr;
  sqlite3_prepare_v2(database, text, -1, &statement, nullptr);
  return Statement(statement);
}

bool execute(sqlite3* database, const std::string& text) {
  return sqlite3_exec(database, text.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK;
}

// The first number of the answer; -1: there is none.
int number_of(sqlite3* database, const char* question) {
  const Statement statement = prepare(database, question);
  if (!statement || sqlite3_step(statement.get()) != SQLITE_ROW) return -1;
  return sqlite3_column_int(statement.get(), 0);
}

ByteView blob(sqlite3_stmt* row, int column) {
  return {static_cast<const std::uint8_t*>(sqlite3_column_blob(row, column)),
          static_cast<std::size_t>(sqlite3_column_bytes(row, column))};
}

bool bind(sqlite3_stmt* statement, int index, ByteView octets) {
  return sqlite3_bind_blob64(statement, index, octets.data(), octets.size(), SQLITE_TRANSIENT) ==
         SQLITE_OK;
}

// False when the file is not to be believed.
bool read_records(sqlite3* database, std::vector<LeaseRecord>& to) {
  const Statement all = prepare(database, "SELECT address, identity, sequence FROM lease");
  if (!all) return false;
  for (;;) {
    const int step = sqlite3_step(all.get());
    if (step == SQLITE_DONE) return true;
    if (step != SQLITE_ROW) return false;
    const ByteView address = blob(all.get(), 0), identity = blob(all.get(), 1);
    if ((address.size() != 4 && address.size() != 16) || identity.size() > kMaxIdentity)
      return false;
    to.push_back({IpAddress::from_bytes(address), std::string(as_text(identity)),
                  static_cast<std::uint64_t>(sqlite3_column_int64(all.get(), 2))});
  }
}

bool make_schema(sqlite3* database) {
  return execute(database, "BEGIN") && execute(database, kSchema) &&
         execute(database, fmt::format("PRAGMA application_id = {}", kApplication)) &&
         execute(database, fmt::format("PRAGMA user_version = {}", kVersion)) &&
         execute(database, "COMMIT");
}

void set_aside(const std::string& path) {
  std::rename(path.c_str(), (path + ".broken").c_str());
  for (const char* companion : {"-wal", "-shm"}) ::unlink((path + companion).c_str());
}

}  // namespace

void LeaseStore::Close::operator()(sqlite3* database) const { sqlite3_close(database); }

LeaseStore::LeaseStore(std::string path, Complain complain)
    : path_(std::move(path)), complain_(std::move(complain)) {
  auto database = open();
  if (!database) {
    const std::string why = std::move(database.error());
    set_aside(path_);
    database = open();
    complain_(database ? fmt::format("{} is set aside as {}.broken, and leases begin anew: {}",
                                     path_, path_, why)
                       : fmt::format("leases are not kept over a restart, {} can't be used: {}",
                                     path_, database.error()));
  }
  if (!database) return;
  database_ = std::move(*database);
  thread_ = std::thread([this] { run(); });
}

LeaseStore::~LeaseStore() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

std::expected<LeaseStore::Database, std::string> LeaseStore::open() {
  records_.clear();
  sqlite3* raw = nullptr;
  const int opened =
      sqlite3_open_v2(path_.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, nullptr);
  Database database(raw);
  const auto failed = [&] { return std::unexpected(std::string(sqlite3_errmsg(raw))); };
  if (opened != SQLITE_OK) return failed();
  const int tables = number_of(raw, "SELECT count(*) FROM sqlite_schema");
  if (tables < 0) return failed();
  if (tables == 0 && !make_schema(raw)) return failed();
  if (number_of(raw, "PRAGMA application_id") != kApplication ||
      number_of(raw, "PRAGMA user_version") != kVersion)
    return std::unexpected("it is not a file of leases of this version");
  if (!execute(raw, "PRAGMA journal_mode = WAL") || !execute(raw, "PRAGMA synchronous = NORMAL"))
    return failed();
  if (!read_records(raw, records_)) return std::unexpected("it does not hold what it should");
  return database;
}

void LeaseStore::write(const std::vector<LeaseRecord>& records) {
  if (!thread_.joinable() || records.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (const LeaseRecord& record : records) waiting_.insert_or_assign(record.address, record);
  }
  wake_.notify_one();
}

bool LeaseStore::put(const Records& records) {
  if (!execute(database_.get(), "BEGIN")) return false;
  bool done = true;
  {
    const Statement statement = prepare(database_.get(), kPut);
    for (const auto& [address, record] : records) {
      done = statement && bind(statement.get(), 1, address.bytes()) &&
             bind(statement.get(), 2, as_bytes(record.identity)) &&
             sqlite3_bind_int64(statement.get(), 3, static_cast<sqlite3_int64>(record.sequence)) ==
                 SQLITE_OK &&
             sqlite3_step(statement.get()) == SQLITE_DONE;
      if (!done) break;
      sqlite3_reset(statement.get());
    }
  }
  if (done && execute(database_.get(), "COMMIT")) return true;
  execute(database_.get(), "ROLLBACK");
  return false;
}

void LeaseStore::run() {
  bool complained = false;
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    Records batch = std::exchange(waiting_, {});
    const bool last = stopping_;
    lock.unlock();
    const bool done = batch.empty() || put(batch);
    if (!done && !std::exchange(complained, true))
      complain_(
          fmt::format("leases can't be written to {}: {}", path_, sqlite3_errmsg(database_.get())));
    if (done) complained = false;
    lock.lock();
    if (last) return;
    if (done) continue;
    waiting_.merge(batch);  // what is newer stays
    wake_.wait_for(lock, kTryAgain, [this] { return stopping_; });
  }
}

}  // namespace culvert::io
