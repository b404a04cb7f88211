// culvert pki ocsp: a responder (RFC 6960) over HTTP, for the certificates of one CA.
// Invariant: what a client can make it hold is bounded: octets of a request, requests at a time.
#include <fmt/format.h>
#include <httplib.h>
#include <sys/stat.h>

#include <cstdio>
#include <mutex>

#include "base/limits.h"
#include "cli/pki_files.h"
#include "cli/pki_index.h"
#include "cli/text.h"
#include "crypto/openssl_provider.h"
#include "crypto/pem.h"
#include "pki/crl.h"
#include "pki/ocsp_issuing.h"

namespace culvert::cli {
namespace {

using std::chrono::sys_seconds;

constexpr std::size_t kThreads = 8;
constexpr int kPatience_s = 5;  // of reading from and writing to a client

struct OcspArguments {
  std::string ca_certificate, ca_key, certificate, key, password_file;
  std::string crl, index, listen = "127.0.0.1:2560";
  unsigned lifetime_min = 60;
  SigningChoice signing;
};

// Who signs the responses: the CA, or a certificate that it issued for that.
struct Signer {
  pki::CertificateRef ca;
  PrivateKey key;
  SignatureScheme scheme;
  Bytes key_id;
  Bytes certificate;  // DER; empty: the CA signs
};

// What the file said when it was read last.
struct Knowledge {
  CertificateIndex index;
  bool complete = false;  // the file lists every certificate, not only revoked ones
  std::optional<sys_seconds> this_update, next_update;
};

struct FileState {
  timespec changed{};
  off_t size = -1;
  ino_t inode = 0;
  bool operator==(const FileState& other) const {
    return changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec &&
           size == other.size && inode == other.inode;
  }
};
FileState state_of(const std::string& path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) return {};
  return {status.st_mtim, status.st_size, status.st_ino};
}

Outcome<Knowledge> read_crl_file(const std::string& path, const pki::Certificate& ca) {
  const auto crl = TRY(load_crl_of(path, ca));
  Knowledge knowledge{.this_update = crl->this_update, .next_update = crl->next_update};
  for (const auto& entry : crl->entries)
    knowledge.index.insert_or_assign(
        serial_of(*crl, entry),
        pki::CertificateStatus{pki::CertificateState::revoked, {entry.when, entry.reason}});
  return knowledge;
}

Outcome<Knowledge> read_index_file(const std::string& path) {
  const Input input = TRY(read_input(path));
  auto index = parse_index(as_text(input.octets.view()));
  if (!index) return std::unexpected(fmt::format("{}: {}", input.name, index.error()));
  return Knowledge{.index = std::move(*index), .complete = true};
}

class Responder {
 public:
  Responder(const OcspArguments& arguments, Signer signer)
      : arguments_(arguments), signer_(std::move(signer)) {}

  // Reads the file; later only when it is another one.
  Outcome<> refresh() {
    const std::string& path = arguments_.crl.empty() ? arguments_.index : arguments_.crl;
    const FileState state = state_of(path);
    if (state == state_) return {};
    state_ = state;
    knowledge_ =
        TRY(arguments_.crl.empty() ? read_index_file(path) : read_crl_file(path, *signer_.ca));
    return {};
  }

  // Several threads call it.
  Bytes answer(ByteView request) {
    const std::lock_guard lock(mutex_);
    if (const auto read = refresh(); !read) complain(read.error());
    const sys_seconds now = wall_clock();
    const auto lifetime = std::chrono::minutes(arguments_.lifetime_min);
    const pki::StatusSource source{
        .status_of = [this](ByteView serial) { return status_of(serial); },
        .this_update = knowledge_.this_update.value_or(now),
        .next_update = knowledge_.next_update.value_or(now + lifetime)};
    if (source.next_update < now) {
      complain("the CRL is out of date: make a new one");
      return pki::ocsp_refusal(pki::OcspRefusal::try_later);
    }
    const pki::OcspSigner signer{signer_.ca->der, signer_.key, signer_.scheme, signer_.key_id,
                                 signer_.certificate};
    const auto response = pki::answer_ocsp_request(request, signer, source, now);
    return response ? *response : pki::ocsp_refusal(pki::OcspRefusal::internal_error);
  }

 private:
  pki::CertificateStatus status_of(ByteView serial) const {
    const auto known = knowledge_.index.find(to_bytes(serial));
    if (known != knowledge_.index.end()) return known->second;
    return {.state =
                knowledge_.complete ? pki::CertificateState::unknown : pki::CertificateState::good};
  }
  static void complain(const std::string& sentence) {
    fmt::print(stderr, "culvert: {}\n", printable(sentence));
  }

  const OcspArguments& arguments_;
  Signer signer_;
  std::mutex mutex_;
  FileState state_;
  Knowledge knowledge_;
};

Outcome<Signer> load_signer(const OcspArguments& arguments) {
  const bool delegated = !arguments.certificate.empty() || !arguments.key.empty();
  const std::string& key_file = delegated ? arguments.key : arguments.ca_key;
  if (key_file.empty() || (delegated && arguments.certificate.empty()))
    return std::unexpected(
        "give the key that signs responses: --cakey, or --cert and --key of a certificate that the "
        "CA issued with --flag ocspSigning");
  auto ca = TRY(load_certificate(arguments.ca_certificate));
  auto own = delegated ? TRY(load_certificate(arguments.certificate)) : ca;
  auto key = TRY(load_private_key(key_file, arguments.password_file));
  if (!equal(own->spki, key.spki()))
    return std::unexpected(fmt::format("{} is not the key of the certificate", key_file));
  const SignatureScheme scheme = TRY(scheme_for(key.kind(), arguments.signing));
  Bytes key_id = to_bytes(TRY(public_half(key))->key_id());
  return Signer{ca, std::move(key), scheme, std::move(key_id), delegated ? own->der : Bytes{}};
}

// RFC 6960, A.1: the path of a GET is the request in base64, which is what stands within PEM.
std::optional<Bytes> request_in_path(const std::string& path) {
  const std::string base64 = path.substr(
      path.find_first_not_of('/') == std::string::npos ? path.size() : path.find_first_not_of('/'));
  const auto blocks =
      read_pem("-----BEGIN OCSP REQUEST-----\n" + base64 + "\n-----END OCSP REQUEST-----\n");
  if (!blocks || blocks->size() != 1) return std::nullopt;
  return blocks->front().der;
}

void set_bounds(httplib::Server& server) {
  server.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
  server.set_payload_max_length(pki::kMaxOcspRequestSize);
  server.set_read_timeout(kPatience_s);
  server.set_write_timeout(kPatience_s);
  server.set_keep_alive_timeout(kPatience_s);
  // Not SO_REUSEPORT: a second responder on the port would take half of the requests.
  server.set_socket_options([](int socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
}

void set_routes(httplib::Server& server, Responder& responder) {
  const auto send = [](httplib::Response& to, const Bytes& answer) {
    to.set_content(reinterpret_cast<const char*>(answer.data()), answer.size(),
                   "application/ocsp-response");
  };
  server.Post("/.*", [&, send](const httplib::Request& request, httplib::Response& response) {
    send(response, responder.answer(as_bytes(request.body)));
  });
  server.Get("/.*", [&, send](const httplib::Request& request, httplib::Response& response) {
    const auto octets = request_in_path(request.path);
    send(response, octets ? responder.answer(*octets)
                          : pki::ocsp_refusal(pki::OcspRefusal::malformed_request));
  });
}

struct Listen {
  std::string host;
  int port = 0;
};
Outcome<Listen> listen_of(const std::string& text) {
  const auto colon = text.rfind(':');
  const auto port = parse_count(colon == std::string::npos ? "" : text.substr(colon + 1));
  std::string host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (!port || *port > 0xffff || !IpAddress::parse(host))
    return std::unexpected(
        fmt::format("'{}' is no address with a port, as in 127.0.0.1:2560 or [::1]:2560", text));
  return Listen{host, static_cast<int>(*port)};
}

Outcome<> ocsp(const OcspArguments& arguments, const Options&) {
  const Listen listen = TRY(listen_of(arguments.listen));
  Responder responder(arguments, TRY(load_signer(arguments)));
  CHECK_OK(responder.refresh());
  httplib::Server server;
  set_bounds(server);
  set_routes(server, responder);
  const int port = listen.port == 0 ? server.bind_to_any_port(listen.host)
                   : server.bind_to_port(listen.host, listen.port) ? listen.port
                                                                   : -1;
  if (port < 0) return std::unexpected(fmt::format("cannot listen on {}", arguments.listen));
  const Endpoint endpoint{*IpAddress::parse(listen.host), static_cast<std::uint16_t>(port)};
  fmt::print("answering OCSP requests on http://{}/\n", endpoint.to_string());
  std::fflush(stdout);
  if (!server.listen_after_bind()) return std::unexpected("the HTTP server has stopped");
  return {};
}

}  // namespace

void add_pki_ocsp(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<OcspArguments>();
  CLI::App* command = add_subcommand(
      pki, runner, "ocsp", "Answer OCSP requests about a CA's certificates", arguments, ocsp);
  command->add_option("-c,--cacert", arguments->ca_certificate, "File with the CA's certificate")
      ->required();
  command->add_option("-k,--cakey", arguments->ca_key, "File with the CA's private key");
  command->add_option("-C,--cert", arguments->certificate,
                      "File with the responder's own certificate, instead of --cakey");
  command->add_option("-K,--key", arguments->key, "File with the responder's own private key");
  add_password_file(command, arguments->password_file);
  auto* source = command->add_option_group("source");
  source->add_option("--crl", arguments->crl, "File with the CA's CRL; read again when it changes");
  source->add_option("--index", arguments->index,
                     "File with the certificates that 'openssl ca' issued; read again likewise");
  source->require_option(1);
  command->add_option("--listen", arguments->listen, "Address and port")->capture_default_str();
  command
      ->add_option("-l,--lifetime", arguments->lifetime_min,
                   "Minutes that an answer from --index holds; one from --crl holds as it does")
      ->check(CLI::Range(1U, 525'600U))
      ->capture_default_str();
  add_signing(command, arguments->signing);
}

}  // namespace culvert::cli
