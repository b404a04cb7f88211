// The control thread's inputs: timers, letters from other threads, resolved peers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <future>
#include <thread>

#include "io/event_loop.h"
#include "io/mailbox.h"
#include "io/paths.h"
#include "io/resolver.h"

namespace culvert::io {
namespace {

using ::testing::HasSubstr;

IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }

// Runs the loop until `done`, for at most five seconds.
void run_until(EventLoop& loop, const std::function<bool()>& done) {
  const auto end = loop.now() + 5s;
  while (!done() && loop.now() < end) {
    loop.context().restart();
    loop.context().run_one_for(std::chrono::milliseconds(20));
  }
  EXPECT_TRUE(done());
}

TEST(Timer, FiresOnceForTheLastDeadlineSet) {
  EventLoop loop;
  int fired = 0;
  Timer timer(loop, [&] { ++fired; });
  timer.set(loop.now() + 1ms);
  timer.set(loop.now() + 3h);
  timer.set(loop.now() + 20ms);
  const auto start = loop.now();
  loop.run();
  EXPECT_EQ(fired, 1);
  EXPECT_GE(loop.now() - start, 15ms);
  timer.set(loop.now() + 1ms);
  timer.set(kNever);
  loop.context().restart();
  loop.run();
  EXPECT_EQ(fired, 1);
}

TEST(ReadableWatch, CallsBackAndLeavesTheDescriptorOpen) {
  EventLoop loop;
  const int fd = ::eventfd(0, EFD_NONBLOCK);
  int calls = 0;
  {
    ReadableWatch watch(loop, fd, [&] {
      std::uint64_t value;
      EXPECT_EQ(::read(fd, &value, sizeof(value)), 8);
      ++calls;
    });
    for (int i = 1; i <= 2; ++i) {
      const std::uint64_t one = 1;
      ASSERT_EQ(::write(fd, &one, sizeof(one)), 8);
      run_until(loop, [&] { return calls == i; });
    }
  }
  EXPECT_EQ(::close(fd), 0);
}

TEST(Mailbox, DeliversInOrderFromOtherThreads) {
  EventLoop loop;
  std::vector<std::string> got;
  Endpoint from;
  Mailbox box(loop, [&](const Datagram& datagram) {
    got.emplace_back(as_text(datagram.payload));
    from = datagram.remote;
  });
  const Endpoint local{ip("192.0.2.1"), 500}, remote{ip("192.0.2.2"), 4'500};
  std::thread worker([&] {
    for (int i = 0; i < 100; ++i) {
      const auto text = std::to_string(i);
      box.push({local, remote, as_bytes(text)});
    }
  });
  worker.join();
  loop.run();
  ASSERT_EQ(got.size(), 100u);
  EXPECT_EQ(got[0], "0");
  EXPECT_EQ(got[99], "99");
  EXPECT_EQ(from, remote);
  box.push({local, remote, as_bytes("again")});
  loop.context().restart();
  loop.run();
  EXPECT_EQ(got.back(), "again");
}

TEST(Mailbox, IsBounded) {
  EventLoop loop;
  std::size_t got = 0;
  Mailbox box(loop, [&](const Datagram&) { ++got; });
  const Bytes payload(60'000);
  for (int i = 0; i < 1'000; ++i) box.push({{}, {}, payload});
  EXPECT_GT(box.dropped(), 0u);
  loop.run();
  EXPECT_EQ(got + box.dropped(), 1'000u);
  EXPECT_LE(got * payload.size(), Mailbox::kMaxOctets);
  box.push({{}, {}, payload});  // there is room again
  loop.context().restart();
  loop.run();
  EXPECT_EQ(got + box.dropped(), 1'001u);
}

ConnectionRef connection(std::initializer_list<std::string_view> remotes,
                         std::initializer_list<std::string_view> locals = {}) {
  ConnectionConfig config;
  for (const auto text : remotes) config.remote_addrs.push_back(*parse_address_pattern(text));
  for (const auto text : locals) config.local_addrs.push_back(*parse_address_pattern(text));
  return std::make_shared<const ConnectionConfig>(config);
}

PeerResolution resolve(Resolver::Options options, const ConnectionRef& config,
                       std::size_t attempt = 0) {
  EventLoop loop;
  std::optional<PeerResolution> result;
  Resolver resolver(loop, std::move(options));
  resolver.resolve(config, attempt, [&](PeerResolution&& answer) { result = std::move(answer); });
  EXPECT_FALSE(result);
  run_until(loop, [&] { return result.has_value(); });
  return result.value_or(PeerResolution{});
}

Resolver::Options answering(std::vector<IpAddress> addresses) {
  Resolver::Options options;
  options.lookup = [addresses](const std::string&) { return addresses; };
  return options;
}

TEST(Resolver, FindsTheSourceAddress) {
  const auto answer = resolve({}, connection({"127.0.0.1"}));
  EXPECT_EQ(answer.error, "");
  EXPECT_EQ(answer.remote, ip("127.0.0.1"));
  EXPECT_EQ(answer.local, ip("127.0.0.1"));
}

TEST(Resolver, UsesTheConfiguredLocalAddress) {
  EXPECT_EQ(resolve({}, connection({"127.0.0.1"}, {"127.0.0.9"})).local, ip("127.0.0.9"));
  EXPECT_EQ(resolve({}, connection({"127.0.0.1"}, {"127.0.0.0/8"})).local, ip("127.0.0.1"));
  const auto foreign = resolve({}, connection({"127.0.0.1"}, {"192.0.2.77"}));
  EXPECT_TRUE(foreign.local.is_none());
  EXPECT_THAT(foreign.error, HasSubstr("no route to 127.0.0.1"));
}

TEST(Resolver, TakesTheFirstReachableAddress) {
  const auto named = resolve(answering({ip("127.0.0.3")}), connection({"gw.example.org"}));
  EXPECT_EQ(named.remote, ip("127.0.0.3"));
  const auto second =
      resolve(answering({}), connection({"%any", "10.0.0.0/8", "gw.example.org", "127.0.0.5"}));
  EXPECT_EQ(second.remote, ip("127.0.0.5"));
}

TEST(Resolver, TakesTheNextAddressWithEachAttempt) {
  const auto lookup = answering({ip("127.0.0.3"), ip("::1"), ip("127.0.0.4")});
  const auto config = connection({"gw.example.org", "127.0.0.5"});
  std::vector<IpAddress> remotes;
  for (std::size_t attempt = 0; attempt < 5; ++attempt)
    remotes.push_back(resolve(lookup, config, attempt).remote);
  EXPECT_EQ(remotes, (std::vector{ip("127.0.0.3"), ip("::1"), ip("127.0.0.4"), ip("127.0.0.5"),
                                  ip("127.0.0.3")}));
}

TEST(Paths, HaveARouteAndAreAllowed) {
  const std::vector<IpAddress> remotes{ip("127.0.0.9"), ip("::1")};
  const std::vector<IpAddress> own{ip("127.0.0.1"), ip("127.0.0.2"), ip("::1")};
  const auto all = find_paths(*connection({}), remotes, own, 0);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0], (Path{ip("127.0.0.1"), ip("127.0.0.9")}));  // as routing would
  EXPECT_EQ(all[1], (Path{ip("::1"), ip("::1")}));
  EXPECT_EQ(all[2], (Path{ip("127.0.0.2"), ip("127.0.0.9")}));
  const auto allowed = find_paths(*connection({}, {"127.0.0.2"}), remotes, own, 0);
  EXPECT_EQ(allowed, (FoundPaths{{ip("127.0.0.2"), ip("127.0.0.9")}}));
  EXPECT_TRUE(find_paths(*connection({}), remotes, {}, 0).empty());
}

TEST(Resolver, SaysWhyThereIsNoAddress) {
  EXPECT_THAT(resolve({}, connection({"%any"})).error, HasSubstr("no remote address"));
  Resolver::Options failing;
  failing.lookup = [](const std::string&) { return std::unexpected("Name or service not known"); };
  EXPECT_EQ(resolve(failing, connection({"gw.example.org"})).error,
            "no address for gw.example.org: Name or service not known");
}

TEST(Resolver, AStuckNameServerHoldsUpNobodyAndEndsAtTheDeadline) {
  std::promise<void> release;
  Resolver::Options options;
  options.deadline = 100ms;
  options.max_threads = 1;
  options.lookup = [gate =
                        release.get_future().share()](const std::string&) -> Resolver::Addresses {
    gate.wait();
    return std::vector{*IpAddress::parse("127.0.0.1")};
  };
  EventLoop loop;
  std::vector<PeerResolution> answers;
  const auto keep = [&](PeerResolution&& answer) { answers.push_back(std::move(answer)); };
  {
    Resolver resolver(loop, std::move(options));
    resolver.resolve(connection({"stuck.example.org"}), 0, keep);
    resolver.resolve(connection({"queued.example.org"}), 0, keep);
    resolver.resolve(connection({"127.0.0.1"}), 0, keep);
    run_until(loop, [&] { return answers.size() == 3; });
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[0].remote, ip("127.0.0.1"));
    EXPECT_THAT(answers[1].error, HasSubstr("stuck.example.org: the name servers do not answer"));
    EXPECT_THAT(answers[2].error, HasSubstr("queued.example.org"));
  }
  release.set_value();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_EQ(answers.size(), 3u);
}

}  // namespace
}  // namespace culvert::io
