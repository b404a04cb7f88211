// One login by EAP over RADIUS, for tests/interop/eap_tls_test.py: our peer's packets go to a
// RADIUS server, and the last line says what came of it.
//
//   eap_driver server=ADDRESS,SECRET method=tls|ttls|peap [inner=pap|mschapv2|eap-md5|eap-mschapv2|
//     eap-gtc] user=NAME [password=WORD] ca=FILE [certificate=FILE key=FILE] [tls=1.2|1.3]
//     [fragment=OCTETS] [clock=SECONDS]
//
//   succeeded msk=equal    failed SENTENCE    silent
#include <arpa/inet.h>
#include <fmt/format.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "crypto/openssl_provider.h"
#include "eap/peap.h"
#include "eap/peer.h"
#include "eap/ttls.h"
#include "radius/eap_relay.h"
#include "tests/unit/crypto/tls_credentials.h"

namespace {

using namespace culvert;
using culvert::testing::need;
using Settings = std::map<std::string, std::string>;

constexpr std::uint16_t kPort = 1812;

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  need(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

culvert::testing::TestCertificate load_certificate(const std::string& path) {
  const Bytes pem = read_file(path);
  const std::unique_ptr<BIO, decltype(&BIO_free)> bio(
      BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), BIO_free);
  X509* x509 = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
  need(x509 != nullptr);
  return {nullptr, {x509, X509_free}};
}

eap::TlsEnd make_end(Settings& settings) {
  tls::Settings tls;
  if (settings["tls"] == "1.2") tls.max = tls::Version::v1_2;
  if (settings["tls"] == "1.3") tls.min = tls::Version::v1_3;
  if (!settings["certificate"].empty()) {
    auto certificate = load_certificate(settings["certificate"]);
    certificate.key = std::make_shared<const PrivateKey>(
        std::move(PrivateKey::load(read_file(settings["key"])).value()));
    tls.credential = certificate.credential();
  }
  const std::time_t clock =
      settings["clock"].empty() ? std::time(nullptr) : std::stol(settings["clock"]);
  eap::TlsEnd end{.context = tls::Context::make(std::move(tls)).value(),
                  .verify = culvert::testing::trust(load_certificate(settings["ca"]), clock)};
  if (!settings["fragment"].empty()) end.fragment_size = std::stoul(settings["fragment"]);
  return end;
}

eap::Peer make_peer(Provider& provider, Settings& settings) {
  static eap::Password password;  // which offers refer to
  password = eap::ClearPassword{SecretBytes(as_bytes(settings["password"]))};
  const std::string user = settings["user"], inner = settings["inner"];
  std::vector<eap::Offer> inside;
  for (const eap::Type type : {eap::kMd5, eap::kGtc, eap::kMschapv2})
    if (const auto parsed = eap::parse_type(inner.substr(inner.find('-') + 1)); parsed == type)
      inside.push_back(*eap::offer_password_peer(type, provider, user, password));
  const auto make = [=, &provider, end = make_end(settings),
                     method = settings["method"]](const std::string&) {
    if (method == "tls") return eap::make_tls_peer(end);
    if (method == "peap") return eap::make_peap_peer(end, {user, inside});
    using Inner = eap::TtlsPeer::Inner;
    return eap::make_ttls_peer(end, {.provider = provider,
                                     .inner = inner == "pap"        ? Inner::pap
                                              : inner == "mschapv2" ? Inner::mschapv2
                                                                    : Inner::eap,
                                     .user = user,
                                     .password = eap::clone(password),
                                     .methods = inside});
  };
  return eap::Peer({.offers = {{*eap::parse_type(settings["method"]), make}},
                    .identity = settings["method"] == "tls" ? user : "anonymous"});
}

class Login {
 public:
  Login(Settings& settings)
      : peer_(make_peer(*provider_, settings)), relay_({"driver", {}}, {1, "test", {}, {}}) {
    const std::string text = settings["server"];
    const std::size_t comma = text.find(',');
    address_.sin_family = AF_INET;
    address_.sin_port = htons(kPort);
    need(inet_pton(AF_INET, text.substr(0, comma).c_str(), &address_.sin_addr) == 1);
    endpoint_ = {IpAddress::parse(text.substr(0, comma)).value(), kPort};
    std::vector<radius::Server> servers;
    servers.push_back({.name = "server",
                       .endpoint = endpoint_,
                       .secret = SecretBytes(as_bytes(std::string_view(text).substr(comma + 1)))});
    client_.emplace(*provider_, std::move(servers));
  }
  ~Login() { ::close(socket_); }

  std::string run() {
    // The authenticator asks for the identity by itself.
    answer(eap::encode({.code = eap::Code::request, .identifier = 1, .type = eap::kIdentity}));
    while (result_.empty()) {
      while (auto output = client_->poll(now())) take(*output);
      if (result_.empty()) wait();
    }
    return result_;
  }

 private:
  static TimePoint now() { return TimePoint(std::chrono::steady_clock::now().time_since_epoch()); }

  void wait() {
    pollfd waits{socket_, POLLIN, 0};
    if (::poll(&waits, 1, 100) <= 0) return;
    Bytes octets(limits::kMaxRadiusPacket + 1);
    const ssize_t size = ::recv(socket_, octets.data(), octets.size(), 0);
    need(size >= 0);
    octets.resize(static_cast<std::size_t>(size));
    client_->receive(0, 0, endpoint_, octets, now());
  }

  void take(radius::Output& output) {
    if (const auto* transmit = std::get_if<radius::Transmit>(&output))
      need(::sendto(socket_, transmit->octets.data(), transmit->octets.size(), 0,
                    reinterpret_cast<const sockaddr*>(&address_), sizeof(address_)) > 0);
    if (std::holds_alternative<radius::Failed>(output)) result_ = "silent";
    const auto* answered = std::get_if<radius::Answered>(&output);
    if (answered == nullptr) return;
    auto outcome = relay_.take(*provider_, client_->server(0), *answered);
    if (const auto* challenge = std::get_if<radius::EapRelay::Challenge>(&outcome))
      answer(challenge->eap);
    if (const auto* rejected = std::get_if<radius::EapRelay::Rejected>(&outcome))
      answer(rejected->eap);
    if (auto* accepted = std::get_if<radius::EapRelay::Accepted>(&outcome)) {
      msk_ = std::move(accepted->msk);
      answer(accepted->eap);
    }
    if (const auto* broken = std::get_if<radius::EapRelay::Broken>(&outcome))
      result_ = "failed " + broken->why;
  }

  void answer(ByteView request) {
    const eap::Step step = peer_.receive(request);
    if (step.kind == eap::Step::Kind::send)
      client_->send(relay_.request(step.packet).value(), now());
    else if (step.kind == eap::Step::Kind::succeeded)
      result_ =
          fmt::format("succeeded msk={}", equal(msk_.view(), peer_.msk()) ? "equal" : "other");
    else if (step.kind == eap::Step::Kind::failed)
      result_ = "failed " + eap::to_text(*step.refusal);
    else
      result_ = "failed discarded";
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  eap::Peer peer_;
  radius::EapRelay relay_;
  std::optional<radius::Client> client_;
  sockaddr_in address_{};
  Endpoint endpoint_;
  int socket_ = ::socket(AF_INET, SOCK_DGRAM, 0);
  SecretBytes msk_;
  std::string result_;
};

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::size_t equals = word.find('=');
    settings[word.substr(0, equals)] = word.substr(equals + 1);
  }
  std::cout << Login(settings).run() << "\n";
}
