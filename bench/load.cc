// Many initiators behind one address: sets up COUNT IKE SAs (X25519, one CHILD SA each) with a
// responder over real sockets, a bounded number at a time, and leaves them up.
// `bench_load LOCAL REMOTE COUNT [CERT KEY CA]`; without certificates the key of both sides is
// "bench". Prints what came up; the responder's cost is for the caller to read from its process.
#include <fmt/core.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "bench/initiators.h"
#include "crypto/openssl_provider.h"
#include "crypto/private_key.h"
#include "pki/certificate_file.h"

namespace culvert::bench {
namespace {

constexpr std::uint16_t kPort = 10'500;
constexpr std::uint32_t kAtOnce = 32;
constexpr auto kGiveUp = std::chrono::seconds(120);

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

class Load {
 public:
  // `provider` and `enrolment` outlive this; without an enrolment both sides use the key "bench".
  Load(const IpAddress& local, const IpAddress& remote, std::uint32_t count, Provider& provider,
       const Enrolment* enrolment)
      : remote_(remote), count_(count), enrolment_(enrolment), initiators_(local, kPort, provider) {
    initiators_.shard().command(LoadSecret{bench_secret()}, now());
    initiators_.on_done = [this](const CommandDone& done) {
      ++done_;
      up_ += done.success;
      if (!done.success) fmt::print("{}\n", done.explanation);
    };
    if (enrolment_) enrol();
  }

  int run() {
    const TimePoint end = now() + kGiveUp;
    while (done_ < count_ && now() < end) {
      while (started_ < count_ && started_ - done_ < kAtOnce) start(started_++);
      initiators_.step();
    }
    fmt::print("set-ups {}, failed {}\n", up_, count_ - up_);
    return up_ == count_ ? 0 : 1;
  }

 private:
  void enrol() {
    const auto date = std::chrono::floor<Duration>(std::chrono::system_clock::now());
    Shard& shard = initiators_.shard();
    shard.command(SetDate{date}, now());
    shard.command(LoadCertificate{enrolment_->ca, true}, now());
    shard.command(LoadCertificate{enrolment_->certificate, false}, now());
    shard.command(LoadKey{enrolment_->certificate->key}, now());
    initiators_.on_signature = [this](const MakeSignature& wanted) {
      MadeSignature made;
      if (auto signature = enrolment_->key.sign(wanted.scheme, {wanted.octets}))
        made.signature = std::move(*signature);
      initiators_.shard().complete(wanted.job, std::move(made), now());
    };
  }
  void start(std::uint32_t number) {
    ConnectionConfig made = initiators_.connection(number, remote_);
    if (enrolment_) {
      made.local.kind = made.remote.kind = AuthKind::pubkey;
      made.local.id = {wire::IdType::der_asn1_dn, to_bytes(enrolment_->certificate->subject)};
      made.unique = Unique::never;
    }
    initiators_.start(std::move(made), number + 1);
  }

  IpAddress remote_;
  std::uint32_t count_, started_ = 0, done_ = 0, up_ = 0;
  const Enrolment* enrolment_;
  Initiators initiators_;
};

}  // namespace
}  // namespace culvert::bench

int main(int argc, char** argv) {
  using namespace culvert;
  const bool complete = argc == 4 || argc == 7;
  const auto local = IpAddress::parse(complete ? argv[1] : "");
  const auto remote = IpAddress::parse(complete ? argv[2] : "");
  const long count = complete ? std::strtol(argv[3], nullptr, 10) : 0;
  if (!local || !remote || !local->is_v4() || count < 1 || count > 1'000'000) {
    fmt::print("usage: bench_load LOCAL REMOTE COUNT [CERT KEY CA] (IPv4)\n");
    return 2;
  }
  const auto provider = make_openssl_provider();
  std::optional<bench::Enrolment> enrolment;
  if (argc == 7) {
    enrolment = bench::read_enrolment(argv + 4, *provider);
    if (!enrolment) return fmt::print("a file holds no certificate or no key\n"), 2;
  }
  return bench::Load(*local, *remote, static_cast<std::uint32_t>(count), *provider,
                     enrolment ? &*enrolment : nullptr)
      .run();
}
