// Logs users in, accounts and listens for dynamic authorization as culvertd would, for
// tests/interop/radius_test.py: commands come in lines on the standard input, what happens goes out
// in lines.
//
//   radius_driver auth=NAME,ADDRESS,PORT,SECRET[,status] … acct=… …
//   listen=ADDRESS,PORT,CLIENT,SECRET
//
// radsec=NAME,ADDRESS,PORT,DIRECTORY is an authentication server by TLS: DIRECTORY has our
// client.pem and client.key, and server.pem, which is the one certificate that is believed.
//
//   login USER PASSWORD md5|pap           accepted …, rejected …, failed …
//   on, off, start ID USER ADDRESS        acknowledged, when all records are
//   stop ID OCTETS_IN OCTETS_OUT PACKETS_IN PACKETS_OUT CAUSE
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <list>
#include <sstream>

#include "crypto/openssl_provider.h"
#include "crypto/pem.h"
#include "crypto/private_key.h"
#include "eap/packet.h"
#include "io/radius_sockets.h"
#include "radius/accounting.h"
#include "radius/eap_relay.h"

namespace {

using namespace culvert;
using namespace culvert::radius;

void say(const std::string& line) { std::cout << line << std::endl; }

std::vector<std::string> split(const std::string& text, char divider) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, divider);) parts.push_back(part);
  return parts;
}

Endpoint endpoint(const std::string& address, const std::string& port) {
  return {IpAddress::parse(address).value(), static_cast<std::uint16_t>(std::stoul(port))};
}

Server server(const std::vector<std::string>& parts) {
  return {.name = parts.at(0),
          .endpoint = endpoint(parts.at(1), parts.at(2)),
          .secret = SecretBytes(as_bytes(parts.at(3))),
          .timeout = std::chrono::milliseconds(500),
          .dead_time = std::chrono::seconds(2),
          .status_server = parts.size() > 4 && parts[4] == "status"};
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

io::RadsecTls radsec(const std::string& directory) {
  const auto own = read_pem(read_file(directory + "/client.pem")).value();
  auto key = std::make_shared<PrivateKey>(
      PrivateKey::load(as_bytes(read_file(directory + "/client.key"))).value());
  tls::Settings settings{
      .credential = {.chain = {own.at(0).der},
                     .sign = [key](const SignatureScheme& scheme, ByteView message) {
                       return key->sign(scheme, {message});
                     }}};
  const auto believed = read_pem(read_file(directory + "/server.pem")).value().at(0).der;
  return {.context = tls::Context::make(std::move(settings)).value(),
          .verify = [believed](std::span<const Bytes> chain) -> std::optional<tls::Refusal> {
            if (chain[0] == believed) return std::nullopt;
            return tls::Refusal{tls::Alert::unknown_ca, "another certificate"};
          }};
}

std::chrono::sys_seconds wall() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

std::string hex(ByteView octets) {
  std::string out;
  for (const std::uint8_t octet : octets) out += fmt::format("{:02x}", octet);
  return out;
}

std::string describe(const EapRelay::Accepted& accepted) {
  const Authorization& granted = accepted.authorization;
  std::vector<std::string> addresses, dns;
  for (const auto& address : granted.addresses) addresses.push_back(address.to_string());
  for (const auto& address : granted.dns) dns.push_back(address.to_string());
  return fmt::format("accepted user={} msk={} addresses={} pool={} groups={} dns={} session={}",
                     granted.user_name, hex(accepted.msk.view()), fmt::join(addresses, ","),
                     granted.pool, fmt::join(granted.groups, ","), fmt::join(dns, ","),
                     granted.session_timeout.value_or(std::chrono::seconds::zero()).count());
}

struct Login {
  EapRelay relay;
  std::string user, password;
  bool pap = false;
  RequestId waits_for;
};

class Driver {
 public:
  Driver(std::vector<Server> auth, std::map<std::uint32_t, io::RadsecTls> tls,
         std::vector<Server> acct, std::vector<std::string> listen)
      : auth_(loop_, *provider_, std::move(auth), std::move(tls),
              [this](Output&& output) { on_auth(std::move(output)); }),
        acct_(loop_, *provider_, std::move(acct), {},
              [this](Output&& output) { on_acct(std::move(output)); }),
        accounting_(acct_.client(), nas_, std::chrono::seconds(1)),
        timer_(loop_, [this] { settle(); }),
        input_(loop_, STDIN_FILENO, [this] { read_input(); }) {
    if (listen.empty()) return;
    std::vector<DynamicAuthorization::Peer> peers;
    peers.push_back({IpAddress::parse(listen.at(2)).value(), SecretBytes(as_bytes(listen.at(3)))});
    dynamic_ = std::make_unique<DynamicAuthorization>(*provider_, nas_, std::move(peers),
                                                      DynamicAuthorization::Options{});
    listener_ = std::make_unique<io::RadiusListener>(
        loop_, *dynamic_, [this](DynamicAuthorization::Command&& command) { carry_out(command); },
        [](const Endpoint&, std::string_view why) { say(fmt::format("ignored {}", why)); });
    if (const auto opened = listener_->open(endpoint(listen.at(0), listen.at(1))); !opened)
      say(opened.error());
  }
  void run() {
    say("ready");
    loop_.run();
  }

 private:
  void read_input() {
    std::array<char, 4'096> buffer;
    const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size <= 0) return loop_.stop();
    text_.append(buffer.data(), static_cast<std::size_t>(size));
    for (std::size_t end; (end = text_.find('\n')) != text_.npos; text_.erase(0, end + 1))
      command(split(text_.substr(0, end), ' '));
    settle();
  }

  void command(const std::vector<std::string>& words) {
    const std::string& what = words.at(0);
    if (what == "login") login(words);
    if (what == "on") accounting_.on(wall(), loop_.now());
    if (what == "off") accounting_.off(wall(), loop_.now());
    if (what == "start")
      sessions_[words.at(1)] = accounting_.start({.id = words.at(1),
                                                  .user_name = words.at(2),
                                                  .port = port_,
                                                  .addresses = {*IpAddress::parse(words.at(3))}},
                                                 wall(), loop_.now());
    if (what == "stop")
      accounting_.stop(sessions_[words.at(1)],
                       {std::stoull(words.at(2)), std::stoull(words.at(3)),
                        std::stoull(words.at(4)), std::stoull(words.at(5))},
                       static_cast<TerminateCause>(std::stoul(words.at(6))), wall(), loop_.now());
  }

  // Carries out what accounting wants, and says when all of it is done.
  void settle() {
    while (const auto output = accounting_.poll(loop_.now()))
      if (const auto* kept = std::get_if<Accounting::NotTaken>(&*output))
        say(fmt::format("kept {}", kept->failure.to_string()));
    acct_.run();
    timer_.set(accounting_.next_timer());
    const bool waits = accounting_.unacknowledged() > 0;
    if (waited_ && !waits) say("acknowledged");
    waited_ = waits;
  }

  void login(const std::vector<std::string>& words) {
    logins_.push_back({EapRelay(nas_, port_), words.at(1), words.at(2), words.at(3) == "pap", {}});
    Login& login = logins_.back();
    if (!login.pap)
      return send(login, eap::encode({.code = eap::Code::response, .type = eap::kIdentity},
                                     as_bytes(login.user)));
    Request request{.password = SecretBytes(as_bytes(login.password))};
    AttributeWriter(request.attributes).add(Type::user_name, login.user);
    login.waits_for = auth_.send(std::move(request));
  }

  void send(Login& login, ByteView eap) {
    login.waits_for = auth_.send(login.relay.request(eap).value());
  }

  // RFC 3748, 5.4 and RFC 1994, 4.1
  Bytes answer_md5(const Login& login, const eap::Packet& request) {
    const ByteView challenge = request.data.subspan(1, request.data[0]);
    Bytes data(17);
    data[0] = 16;
    (void)provider_->hash(Hash::md5,
                          {Bytes{request.identifier}, as_bytes(login.password), challenge},
                          MutableBytes(data).subspan(1));
    return eap::encode(
        {.code = eap::Code::response, .identifier = request.identifier, .type = eap::kMd5}, data);
  }

  Login* find(RequestId id) {
    for (Login& login : logins_)
      if (login.waits_for == id) return &login;
    return nullptr;
  }

  void on_auth(Output&& output) {
    if (auto* answered = std::get_if<Answered>(&output)) {
      Login& login = *find(answered->id);
      auto outcome =
          login.relay.take(*provider_, auth_.client().server(answered->server), *answered);
      const std::string by = auth_.client().server(answered->server).name;
      if (const auto* challenge = std::get_if<EapRelay::Challenge>(&outcome))
        return send(login, answer_md5(login, eap::decode(challenge->eap).value()));
      login.waits_for = {};
      if (const auto* accepted = std::get_if<EapRelay::Accepted>(&outcome))
        say(fmt::format("{} by={}", describe(*accepted), by));
      else if (const auto* rejected = std::get_if<EapRelay::Rejected>(&outcome))
        say(fmt::format("rejected {}", rejected->reply_message));
      else
        say(fmt::format("failed {}", std::get<EapRelay::Broken>(outcome).why));
    }
    if (auto* failed = std::get_if<Failed>(&output))
      say(fmt::format("failed {}", failed->failure.to_string()));
    tell(auth_, output);
  }

  void on_acct(Output&& output) {
    if (const auto* answered = std::get_if<Answered>(&output))
      accounting_.take(*answered, loop_.now());
    if (const auto* failed = std::get_if<Failed>(&output)) accounting_.take(*failed, loop_.now());
    tell(acct_, output);
    settle();
  }

  void tell(io::RadiusSockets& sockets, const Output& output) {
    if (const auto* dead = std::get_if<ServerDead>(&output))
      say(fmt::format("dead {}: {}", sockets.client().server(dead->server).name, dead->why));
    if (const auto* alive = std::get_if<ServerAlive>(&output))
      say(fmt::format("alive {}", sockets.client().server(alive->server).name));
    if (const auto* dropped = std::get_if<Dropped>(&output))
      say(fmt::format("dropped {}", dropped->why));
  }

  void carry_out(const DynamicAuthorization::Command& command) {
    for (const auto& [id, handle] : sessions_) {
      const Session* session = accounting_.find(handle);
      if (!session || !command.selection.matches(*session)) continue;
      say(command.disconnect
              ? fmt::format("disconnect {}", id)
              : fmt::format("change {} session={}", id,
                            command.changes.session_timeout.value_or(std::chrono::seconds::zero())
                                .count()));
      return listener_->answer(command.id, ErrorCause::none);
    }
    listener_->answer(command.id, ErrorCause::session_context_not_found);
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  io::EventLoop loop_;
  Nas nas_{"driver", {}};
  Port port_{
      1, "test", {*IpAddress::parse("192.0.2.9"), 4'500}, {*IpAddress::parse("192.0.2.7"), 500}};
  io::RadiusSockets auth_, acct_;
  Accounting accounting_;
  io::Timer timer_;
  io::ReadableWatch input_;
  std::string text_;
  bool waited_ = false;
  std::list<Login> logins_;
  std::map<std::string, Accounting::SessionHandle> sessions_;
  std::unique_ptr<DynamicAuthorization> dynamic_;
  std::unique_ptr<io::RadiusListener> listener_;
};

}  // namespace

int main(int argc, char** argv) {
  std::vector<Server> auth, acct;
  std::map<std::uint32_t, io::RadsecTls> tls;
  std::vector<std::string> listen;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::size_t equals = argument.find('=');
    const auto parts = split(argument.substr(equals + 1), ',');
    const std::string kind = argument.substr(0, equals);
    if (kind == "auth") auth.push_back(server(parts));
    if (kind == "radsec") {
      tls.emplace(auth.size(), radsec(parts.at(3)));
      auth.push_back({.name = parts.at(0),
                      .endpoint = endpoint(parts.at(1), parts.at(2)),
                      .secret = SecretBytes(as_bytes("radsec")),  // RFC 6614, 2.3
                      .stream = true});
    }
    if (kind == "acct") acct.push_back(server(parts));
    if (kind == "listen") listen = parts;
  }
  Driver(std::move(auth), std::move(tls), std::move(acct), listen).run();
}
