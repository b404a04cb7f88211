#include "shard/half_open.h"

#include "base/limits.h"

namespace culvert {
namespace {

constexpr Duration kWindow = std::chrono::seconds(10);

std::uint64_t mixed(std::uint64_t value) {
  value = (value ^ (value >> 31)) * 0x9e3779b97f4a7c15u;
  return (value ^ (value >> 29)) * 0xbf58476d1ce4e5b9u;
}

}  // namespace

IpAddress source_of(const IpAddress& address) {
  return address.is_v6() ? Prefix::make(address, 64).address : address;
}

std::size_t HalfOpenTable::AddressHash::operator()(const IpAddress& address) const noexcept {
  const std::uint8_t* octets = address.raw().data();
  return mixed(mixed(load_be<std::uint64_t>(octets) ^ seed) + load_be<std::uint64_t>(octets + 8));
}

std::size_t HalfOpenTable::KeyHash::operator()(const Key& key) const noexcept {
  return mixed(AddressHash{seed}(key.peer.address) ^ mixed(key.spi_i ^ seed) ^ key.peer.port);
}

std::size_t HalfOpenTable::size_of(const IpAddress& source) const {
  const auto at = by_source_.find(source);
  return at == by_source_.end() ? 0 : at->second.size;
}

HalfOpenTable::SaHandle HalfOpenTable::find(const Key& key) const {
  const auto at = by_key_.find(key);
  return at == by_key_.end() ? SaHandle{} : at->second.sa;
}

HalfOpenTable::SaHandle HalfOpenTable::oldest_of(const IpAddress& source) const {
  const auto at = by_source_.find(source);
  return at == by_source_.end() ? SaHandle{} : at->second.oldest->sa;
}

void HalfOpenTable::append(Queue& queue, Entry& entry, Links Entry::* links) {
  entry.*links = {queue.newest, nullptr};
  (queue.newest ? (queue.newest->*links).newer : queue.oldest) = &entry;
  queue.newest = &entry;
  ++queue.size;
}

void HalfOpenTable::unlink(Queue& queue, Entry& entry, Links Entry::* links) {
  const Links& gone = entry.*links;
  (gone.older ? (gone.older->*links).newer : queue.oldest) = gone.newer;
  (gone.newer ? (gone.newer->*links).older : queue.newest) = gone.older;
  --queue.size;
}

void HalfOpenTable::add(const Key& key, SaHandle sa) {
  const auto [at, fresh] = by_key_.try_emplace(key, Entry{sa, {}, {}});
  if (!fresh) return;
  append(by_age_, at->second, &Entry::by_age);
  append(by_source_[source_of(key.peer.address)], at->second, &Entry::by_source);
}

bool HalfOpenTable::remove(const Key& key, SaHandle sa) {
  const auto at = by_key_.find(key);
  if (at == by_key_.end() || at->second.sa != sa) return false;
  const auto source = by_source_.find(source_of(key.peer.address));
  unlink(source->second, at->second, &Entry::by_source);
  if (source->second.size == 0) by_source_.erase(source);
  unlink(by_age_, at->second, &Entry::by_age);
  by_key_.erase(at);
  return true;
}

void FailureLog::rotate(TimePoint now) {
  if (now < next_rotation_) return;
  const bool stale = next_rotation_ == TimePoint::min() || now - next_rotation_ >= kWindow;
  previous_ = stale ? Records{} : std::move(current_);
  current_ = {};
  next_rotation_ = now + kWindow;
}

void FailureLog::failed(const IpAddress& source, TimePoint now) {
  rotate(now);
  if (current_.size() < limits::kMaxFailingSources || current_.contains(source))
    ++current_[source].failures;
}

std::uint32_t FailureLog::failures_of(const IpAddress& source, TimePoint now) {
  rotate(now);
  std::uint32_t failures = 0;
  for (const Records* records : {&current_, &previous_})
    if (const auto at = records->find(source); at != records->end())
      failures += at->second.failures;
  return failures;
}

bool FailureLog::spend(const IpAddress& source, TimePoint now) {
  rotate(now);
  auto at = current_.find(source);
  if (at == current_.end()) {
    if (current_.size() >= limits::kMaxFailingSources) return false;
    at = current_.emplace(source, Record{}).first;
  }
  Record& record = at->second;
  if (now - record.second >= std::chrono::seconds(1)) {
    record.second = now;
    record.begun = 0;
  }
  return ++record.begun <= limits::kFailingSourcePerSecond;
}

}  // namespace culvert
