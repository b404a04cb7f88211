// Many initiators behind one address: sets up COUNT IKE SAs (X25519, one CHILD SA each) with a
// responder over real sockets, a bounded number at a time, and leaves them up.
// `bench_load LOCAL REMOTE COUNT [CERT KEY CA]`; without certificates the key of both sides is
// "bench". Prints what came up; the responder's cost is for the caller to read from its process.
#include <arpa/inet.h>
#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "crypto/openssl_provider.h"
#include "crypto/private_key.h"
#include "pki/certificate_file.h"
#include "shard/shard.h"

namespace culvert {
namespace {

constexpr std::uint16_t kIkePort = 10'500, kNatPort = 14'500;
constexpr std::uint32_t kAtOnce = 32;
constexpr auto kGiveUp = std::chrono::seconds(120);

class Socket {
 public:
  Socket(const IpAddress& local, std::uint16_t port) : fd_(::socket(AF_INET, SOCK_DGRAM, 0)) {
    const sockaddr_in at = address(local, port);
    if (fd_ < 0 || ::bind(fd_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0)
      std::abort();
  }
  ~Socket() { ::close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void send(const Endpoint& to, ByteView octets) const {
    const sockaddr_in at = address(to.address, to.port);
    ::sendto(fd_, octets.data(), octets.size(), 0, reinterpret_cast<const sockaddr*>(&at),
             sizeof at);
  }
  // One datagram, without waiting; empty when there is none.
  ByteView receive(MutableBytes buffer, Endpoint& from) const {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    const auto got = ::recvfrom(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT,
                                reinterpret_cast<sockaddr*>(&at), &size);
    if (got <= 0) return {};
    from = {IpAddress::v4(ntohl(at.sin_addr.s_addr)), ntohs(at.sin_port)};
    return ByteView(buffer).first(static_cast<std::size_t>(got));
  }
  int fd() const { return fd_; }

 private:
  static sockaddr_in address(const IpAddress& ip, std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(ip.v4_value());
    return at;
  }
  int fd_;
};

// All initiators have the same certificate.
struct Enrolment {
  PrivateKey key;
  pki::CertificateRef certificate, ca;
};

Bytes contents(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

pki::CertificateRef read_certificate(const char* path, Provider& provider) {
  const auto found = pki::certificates_in(contents(path));
  if (!found || found->empty()) return nullptr;
  return pki::parse_certificate(provider, found->front()).value_or(nullptr);
}

std::optional<Enrolment> read_enrolment(char** files, Provider& provider) {
  auto key = PrivateKey::load(contents(files[1]));
  auto certificate = read_certificate(files[0], provider);
  auto ca = read_certificate(files[2], provider);
  if (!key || !certificate || !ca) return std::nullopt;
  return Enrolment{std::move(*key), std::move(certificate), std::move(ca)};
}

ConnectionConfig connection(std::uint32_t number, const IpAddress& local, const IpAddress& remote) {
  const auto single = [](const IpAddress& ip) {
    return AddressPattern{AddressPattern::Kind::range, ip, ip, {}};
  };
  ConnectionConfig made;
  made.name = fmt::format("c{}", number);
  made.local_addrs = {single(local)};
  made.remote_addrs = {single(remote)};
  made.proposals = {*parse_proposal("aes128gcm16-prfsha256-x25519", wire::ProtocolId::ike)};
  made.local.id = *parse_identity(made.name + ".bench.example");
  ChildConfig child;
  child.name = "net";
  child.local = {*parse_selector(IpAddress::v4(0x0a000000u + number).to_string())};
  child.remote = {*parse_selector("10.255.0.0/16")};
  child.proposals = {*parse_proposal("aes128gcm16", wire::ProtocolId::esp)};
  made.children = {std::move(child)};
  return made;
}

class Load {
 public:
  // `provider` and `enrolment` outlive this; without an enrolment both sides use the key "bench".
  Load(const IpAddress& local, const IpAddress& remote, std::uint32_t count, Provider& provider,
       const Enrolment* enrolment)
      : local_(local),
        remote_(remote),
        count_(count),
        ike_(local, kIkePort),
        nat_(local, kNatPort),
        enrolment_(enrolment),
        shard_(options(), provider) {
    SharedSecret psk;
    psk.id = "bench";
    psk.secret = SecretBytes(as_bytes("bench"));
    shard_.command(LoadSecret{std::move(psk)}, now());
    if (!enrolment_) return;
    const auto date = std::chrono::floor<Duration>(std::chrono::system_clock::now());
    shard_.command(SetDate{date}, now());
    shard_.command(LoadCertificate{enrolment_->ca, true}, now());
    shard_.command(LoadCertificate{enrolment_->certificate, false}, now());
    shard_.command(LoadKey{enrolment_->certificate->key}, now());
  }

  int run() {
    const TimePoint end = now() + kGiveUp;
    while (done_ < count_ && now() < end) {
      while (started_ < count_ && started_ - done_ < kAtOnce) start(started_++);
      const TimePoint wake = drain();
      wait(wake);
      receive(ike_, kIkePort, 0);
      receive(nat_, kNatPort, 4);
    }
    fmt::print("set-ups {}, failed {}\n", up_, count_ - up_);
    return up_ == count_ ? 0 : 1;
  }

 private:
  static TimePoint now() { return TimePoint(std::chrono::steady_clock::now().time_since_epoch()); }
  static ShardOptions options() {
    ShardOptions made;
    made.ike_port = kIkePort;
    made.nat_t_port = kNatPort;
    return made;
  }
  void start(std::uint32_t number) {
    ConnectionConfig made = connection(number, local_, remote_);
    if (enrolment_) use_certificates(made);
    const std::string name = made.name;
    shard_.command(LoadConnection{std::make_shared<const ConnectionConfig>(std::move(made))},
                   now());
    shard_.command(Initiate{{number + 1}, name, "net"}, now());
  }
  void use_certificates(ConnectionConfig& connection) const {
    connection.local.kind = connection.remote.kind = AuthKind::pubkey;
    connection.local.id = {wire::IdType::der_asn1_dn, to_bytes(enrolment_->certificate->subject)};
    connection.unique = Unique::never;
  }
  void sign(const MakeSignature& wanted) {
    MadeSignature made;
    if (auto signature = enrolment_->key.sign(wanted.scheme, {wanted.octets}))
      made.signature = std::move(*signature);
    shard_.complete(wanted.job, std::move(made), now());
  }
  TimePoint drain() {
    for (;;) {
      Output output = shard_.poll(now());
      if (const auto* wait = std::get_if<WaitUntil>(&output)) return wait->deadline;
      if (const auto* finished = std::get_if<CommandDone>(&output)) {
        ++done_;
        up_ += finished->success;
        if (!finished->success) fmt::print("{}\n", finished->explanation);
      }
      if (const auto* wanted = std::get_if<MakeSignature>(&output)) sign(*wanted);
      if (const auto* transmit = std::get_if<Transmit>(&output)) send(*transmit);
    }
  }
  void send(const Transmit& transmit) {
    if (transmit.local.port != kNatPort) return ike_.send(transmit.remote, transmit.payload);
    Bytes marked(4);  // RFC 3948, 2.2: the non-ESP marker
    append(marked, transmit.payload);
    nat_.send(transmit.remote, marked);
  }
  void wait(TimePoint wake) {
    const auto rest = std::chrono::duration_cast<std::chrono::milliseconds>(wake - now()).count();
    std::array<pollfd, 2> fds{{{ike_.fd(), POLLIN, 0}, {nat_.fd(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), static_cast<int>(std::clamp<long long>(rest, 0, 100)));
  }
  void receive(const Socket& socket, std::uint16_t port, std::size_t marker) {
    std::array<std::uint8_t, 65'536> buffer;
    Endpoint from;
    for (;;) {
      const ByteView octets = socket.receive(buffer, from);
      if (octets.empty()) return;
      if (octets.size() > marker)
        shard_.receive({{local_, port}, from, octets.subspan(marker)}, now());
    }
  }

  IpAddress local_, remote_;
  std::uint32_t count_, started_ = 0, done_ = 0, up_ = 0;
  Socket ike_, nat_;
  const Enrolment* enrolment_;
  Shard shard_;
};

}  // namespace
}  // namespace culvert

int main(int argc, char** argv) {
  const bool complete = argc == 4 || argc == 7;
  const auto local = culvert::IpAddress::parse(complete ? argv[1] : "");
  const auto remote = culvert::IpAddress::parse(complete ? argv[2] : "");
  const long count = complete ? std::strtol(argv[3], nullptr, 10) : 0;
  if (!local || !remote || !local->is_v4() || count < 1 || count > 1'000'000) {
    fmt::print("usage: bench_load LOCAL REMOTE COUNT [CERT KEY CA] (IPv4)\n");
    return 2;
  }
  const auto provider = culvert::make_openssl_provider();
  std::optional<culvert::Enrolment> enrolment;
  if (argc == 7) {
    enrolment = culvert::read_enrolment(argv + 4, *provider);
    if (!enrolment) return fmt::print("a file holds no certificate or no key\n"), 2;
  }
  return culvert::Load(*local, *remote, static_cast<std::uint32_t>(count), *provider,
                       enrolment ? &*enrolment : nullptr)
      .run();
}
