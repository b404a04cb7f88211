// Users who log in by EAP-MSCHAPv2 at a steady rate, and meanwhile a peer with a tunnel that asks
// again and again whether the responder is there. `bench_logins LOCAL REMOTE RATE SECONDS`: RATE
// users a second, "user0" and so on with the password "bench", from LOCAL; the tunnel's key is
// "bench". Prints how many got in and how long the responder's answers to the tunnel took.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <thread>
#include <vector>

#include "bench/initiators.h"
#include "crypto/openssl_provider.h"

namespace culvert::bench {
namespace {

constexpr std::uint16_t kLoginPort = 10'500, kTunnelPort = 11'500;
constexpr Duration kProbeEvery = std::chrono::milliseconds(20);
constexpr Duration kLastLogins = std::chrono::seconds(20);

// An IKE SA that asks for signs of life, and when the answers came.
class Tunnel {
 public:
  Tunnel(const IpAddress& local, const IpAddress& remote)
      : initiators_(local, kTunnelPort, *provider_) {
    initiators_.shard().command(LoadSecret{bench_secret()}, now());
    initiators_.on_done = [this](const CommandDone& done) { up_ = done.success; };
    initiators_.on_sent = [this] {
      if (up_ && !asked_) asked_ = now();
    };
    initiators_.on_received = [this] {
      if (asked_) answers_.push_back(now() - *std::exchange(asked_, std::nullopt));
    };
    ConnectionConfig connection = initiators_.connection(0x80'0001, remote);
    connection.dpd_delay = kProbeEvery;
    initiators_.start(std::move(connection), 1);
  }

  void run(const std::atomic<bool>& stop) {
    while (!stop) initiators_.step();
  }
  std::vector<Duration>& answers() { return answers_; }

 private:
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  Initiators initiators_;
  bool up_ = false;
  std::optional<TimePoint> asked_;
  std::vector<Duration> answers_;
};

class Logins {
 public:
  Logins(const IpAddress& local, const IpAddress& remote, std::uint32_t rate, std::uint32_t seconds)
      : remote_(remote),
        rate_(rate),
        count_(rate * seconds),
        initiators_(local, kLoginPort, *provider_) {
    initiators_.shard().command(LoadSecret{bench_secret()}, now());
    initiators_.on_done = [this](const CommandDone& done) {
      ++done_;
      up_ += done.success;
      if (!done.success && done_ - up_ <= 5) fmt::print("{}\n", done.explanation);
    };
  }

  bool run() {
    const TimePoint begin = now(), end = begin + std::chrono::seconds(count_ / rate_) + kLastLogins;
    while (done_ < count_ && now() < end) {
      while (started_ < count_ &&
             begin + Duration(std::chrono::seconds(1)) * started_ / rate_ <= now())
        start(started_++);
      initiators_.step();
    }
    const auto took = std::chrono::duration<double>(now() - begin).count();
    fmt::print("logins {} in {:.1f} s, {:.0f} a second, failed {}\n", up_, took, up_ / took,
               count_ - up_);
    return up_ == count_;
  }

 private:
  void start(std::uint32_t number) {
    const std::string user = fmt::format("user{}", number);
    initiators_.shard().command(
        LoadUser{{user, eap::ClearPassword{SecretBytes(as_bytes("bench"))}}}, now());
    ConnectionConfig connection = initiators_.connection(number, remote_);
    connection.local.kind = AuthKind::eap;
    connection.local.eap_id = Identity{wire::IdType::key_id, to_bytes(as_bytes(user))};
    initiators_.start(std::move(connection), number + 1);
  }

  IpAddress remote_;
  std::uint32_t rate_, count_, started_ = 0, done_ = 0, up_ = 0;
  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  Initiators initiators_;
};

int run(const IpAddress& local, const IpAddress& remote, std::uint32_t rate,
        std::uint32_t seconds) {
  Tunnel tunnel(local, remote);
  std::atomic<bool> stop = false;
  std::thread asking([&] { tunnel.run(stop); });
  const bool all = Logins(local, remote, rate, seconds).run();
  stop = true;
  asking.join();
  auto& answers = tunnel.answers();
  if (answers.empty()) return fmt::print("the tunnel got no answer\n"), 1;
  std::ranges::sort(answers);
  const auto milliseconds = [&](std::size_t per_thousand) {
    const Duration one =
        answers[std::min(answers.size() * per_thousand / 1'000, answers.size() - 1)];
    return std::chrono::duration<double, std::milli>(one).count();
  };
  fmt::print(
      "answers to the tunnel {}: median {:.1f} ms, 99 % within {:.1f} ms, slowest {:.1f} ms\n",
      answers.size(), milliseconds(500), milliseconds(990), milliseconds(1'000));
  return all ? 0 : 1;
}

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) {
  using culvert::IpAddress;
  const auto local = IpAddress::parse(argc == 5 ? argv[1] : "");
  const auto remote = IpAddress::parse(argc == 5 ? argv[2] : "");
  const long rate = argc == 5 ? std::strtol(argv[3], nullptr, 10) : 0;
  const long seconds = argc == 5 ? std::strtol(argv[4], nullptr, 10) : 0;
  if (!local || !remote || !local->is_v4() || rate < 1 || rate > 10'000 || seconds < 1 ||
      seconds > 600) {
    fmt::print("usage: bench_logins LOCAL REMOTE RATE SECONDS (IPv4)\n");
    return 2;
  }
  return culvert::bench::run(*local, *remote, static_cast<std::uint32_t>(rate),
                             static_cast<std::uint32_t>(seconds));
}
