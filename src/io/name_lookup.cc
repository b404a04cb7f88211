// Invariant: a thread that is stuck in a lookup touches only Shared.
#include "io/name_lookup.h"

#include <netdb.h>

#include <mutex>
#include <thread>

#include "io/socket_name.h"

namespace culvert::io {
namespace {

NameLookup::Addresses ask_system(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  if (const int error = ::getaddrinfo(name.c_str(), nullptr, &hints, &list); error != 0)
    return std::unexpected(::gai_strerror(error));
  std::vector<IpAddress> addresses;
  for (const auto* entry = list; entry != nullptr; entry = entry->ai_next)
    if (entry->ai_family == AF_INET || entry->ai_family == AF_INET6)
      addresses.push_back(address_of(entry->ai_addr));
  ::freeaddrinfo(list);
  return addresses;
}

}  // namespace

struct NameLookup::Shared {
  std::mutex mutex;
  EventLoop* loop = nullptr;  // nullptr: the lookup has gone
};

NameLookup::NameLookup(EventLoop& loop, std::size_t max_threads, Function lookup)
    : max_threads_(max_threads),
      lookup_(lookup ? std::move(lookup) : ask_system),
      shared_(std::make_shared<Shared>()) {
  shared_->loop = &loop;
}

NameLookup::~NameLookup() {
  const std::lock_guard lock(shared_->mutex);
  shared_->loop = nullptr;
}

void NameLookup::look_up(std::string name, std::weak_ptr<const void> asker, Answer answer) {
  waiting_.push_back({std::move(name), std::move(asker), std::move(answer)});
  start();
}

void NameLookup::start() {
  while (!waiting_.empty() && running_ < max_threads_) {
    Question question = std::move(waiting_.front());
    waiting_.pop_front();
    if (question.asker.expired()) continue;
    ++running_;
    std::thread([this, question = std::move(question), lookup = lookup_,
                 shared = shared_]() mutable {
      auto addresses = lookup(question.name);
      const std::lock_guard lock(shared->mutex);
      if (shared->loop == nullptr) return;
      shared->loop->post([this, question = std::move(question), addresses = std::move(addresses),
                          alive = std::weak_ptr(shared)] {
        if (alive.expired()) return;
        --running_;
        if (const auto asker = question.asker.lock()) question.answer(addresses);
        start();
      });
    }).detach();
  }
}

}  // namespace culvert::io
