// Owns where profiles come from (the server's configuration and CA) and where they go.
#include "cli/profile_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "cli/credentials.h"
#include "cli/issuing.h"
#include "cli/profile.h"
#include "cli/qr.h"
#include "cli/text.h"
#include "config/file.h"
#include "config/load.h"
#include "config/table_reader.h"
#include "crypto/openssl_provider.h"
#include "crypto/pem.h"
#include "pki/pkcs12_issuing.h"
#include "policy/distinguished_name.h"

namespace culvert::cli {
namespace {

namespace fs = std::filesystem;
using config::in_quotes;

struct ProfileArguments {
  std::string user, device, config = "/etc/culvert/culvert.toml", tunnel, server, ca, ca_key;
  std::string password_file, url;
  bool certificate = false;
  Output output;
};

// ---- what the server is ----

// Users come to us there, and have to prove who they are.
bool serves(const ConnectionConfig& connection, const ProfileArguments& arguments) {
  if (!arguments.tunnel.empty() && connection.name != arguments.tunnel) return false;
  const AuthKind wanted = arguments.certificate ? AuthKind::pubkey : AuthKind::eap;
  return connection.local.kind == AuthKind::pubkey && connection.remote.kind == wanted &&
         !connection.children.empty();
}

Outcome<ConnectionRef> tunnel_of(const config::Loaded& loaded, const ProfileArguments& arguments) {
  std::vector<ConnectionRef> found;
  for (const ConnectionRef& connection : loaded.connections)
    if (serves(*connection, arguments)) found.push_back(connection);
  if (found.size() == 1) return found.front();
  if (found.size() > 1)
    return std::unexpected(fmt::format("users could come to {} or {}: say which with --tunnel",
                                       in_quotes(found[0]->name), in_quotes(found[1]->name)));
  return std::unexpected(
      arguments.certificate
          ? "no tunnel of the configuration takes certificates of users: one needs cert and ca"
          : "no tunnel of the configuration takes users with passwords: one needs cert and eap; "
            "where they have certificates, give --certificate");
}

// A user who is not there could never log in. In RADIUS there may be others, so that only a
// configuration with users of its own tells.
Outcome<> check_user(const config::Loaded& loaded, const ProfileArguments& arguments) {
  CHECK_OK(check_user_name(arguments.user));
  if (arguments.certificate || loaded.users.empty()) return {};
  if (std::ranges::find(loaded.users, arguments.user, &eap::User::name) != loaded.users.end())
    return {};
  return std::unexpected(fmt::format("there is no user {}: culvert user add NAME makes one",
                                     in_quotes(arguments.user)));
}

Outcome<std::string> server_of(const ConnectionConfig& connection,
                               const ProfileArguments& arguments) {
  if (!arguments.server.empty()) return arguments.server;
  const Identity& id = connection.local.id;
  if (id.type == wire::IdType::fqdn || id.type == wire::IdType::ipv4_addr ||
      id.type == wire::IdType::ipv6_addr)
    return to_string(id);
  return std::unexpected(
      "the server's certificate has neither a host name nor an address: give --server");
}

std::string common_name_of(const pki::Certificate& certificate) {
  constexpr std::uint8_t kCommonName[] = {0x55, 0x04, 0x03};  // 2.5.4.3
  const auto attributes = decode_name(certificate.subject);
  std::string name;
  for (const NameAttribute& attribute : attributes.value_or(std::vector<NameAttribute>{}))
    if (equal(attribute.oid, kCommonName)) name = as_text(attribute.value);
  return name.empty() ? pki::name_text(certificate.subject) : name;
}

// ---- the CA, and certificates of users ----

std::string ca_path(const ProfileArguments& arguments) {
  return arguments.ca.empty() ? config::beside(arguments.config, "ca.pem") : arguments.ca;
}

// None where devices know the CA anyway: then there is no file of it here.
Outcome<pki::CertificateRef> ca_of(const ConnectionConfig& connection,
                                   const ProfileArguments& arguments) {
  const std::string path = ca_path(arguments);
  if (arguments.ca.empty() && !fs::exists(path)) return nullptr;
  auto ca = TRY(load_certificate(path));
  const auto provider = make_openssl_provider();
  const auto own = pki::parse_certificate(*provider, connection.local.certs.front().view());
  if (own && connection.local.certs.size() == 1 && !equal((*own)->issuer, ca->subject))
    return std::unexpected(
        fmt::format("the server's certificate is not of the CA in {}: --ca "
                    "names another file",
                    in_quotes(path)));
  return ca;
}

struct MadeCertificate {
  ClientCertificate certificate;
  bool shows_password;
};
Outcome<MadeCertificate> make_client(const ProfileArguments& arguments) {
  const std::string key_file =
      arguments.ca_key.empty() ? config::beside(arguments.config, "ca.key") : arguments.ca_key;
  const Authority ca = TRY(load_authority({ca_path(arguments), key_file}, {}, {}));
  const auto identity = parse_identity(arguments.user);
  const auto name = identity ? pki::general_name(*identity) : std::nullopt;
  if (!name)
    return std::unexpected(
        fmt::format("{} cannot stand in a certificate: write it as a host name or a mail address",
                    in_quotes(arguments.user)));
  const PrivateKey key = TRY(make_key());
  constexpr pki::KeyPurpose kPurposes[] = {pki::KeyPurpose::client_auth};
  MadeCertificate made{{}, arguments.password_file.empty()};
  made.certificate.der = TRY(make_certificate({arguments.user, {*name}}, kPurposes, key, ca));
  made.certificate.pkcs12_password =
      made.shows_password
          ? make_password(*make_openssl_provider())
          : std::string(as_text(TRY(load_password(arguments.password_file)).view()));
  // Apple's systems and older versions of Windows read no newer form.
  const bool legacy = arguments.device == "apple" || arguments.device == "windows";
  auto pkcs12 = pki::make_pkcs12({key, arguments.user, {made.certificate.der, ca.certificate->der}},
                                 made.certificate.pkcs12_password,
                                 legacy ? pki::Pkcs12Form::legacy : pki::Pkcs12Form::aes);
  auto pem = key.to_pem();
  if (!pkcs12 || !pem) return std::unexpected("the certificate could not be packed");
  made.certificate.pkcs12 = std::move(*pkcs12);
  made.certificate.key_pem = std::move(*pem);
  return made;
}

// ---- what is written ----

struct Device {
  std::string_view name, ending;
};
constexpr Device kDevices[] = {{"apple", ".mobileconfig"},
                               {"android", ".sswan"},
                               {"windows", ".ps1"},
                               {"linux", ".nmconnection"},
                               {"culvert", ".toml"}};
constexpr const char* kNetworkManagerFolder = "/etc/NetworkManager/culvert";

// Beside the profile: "ann.nmconnection" has "ann.ca.pem".
std::string sibling(const std::string& path, std::string_view ending) {
  return fs::path(path).replace_extension(ending).string();
}

std::string installed(const std::string& path, std::string_view ending) {
  return fmt::format("{}/{}", kNetworkManagerFolder,
                     fs::path(sibling(path, ending)).filename().string());
}

std::string text_of(const Profile& profile, const ProfileArguments& arguments) {
  const std::string& path = arguments.output.path;
  if (arguments.device == "apple") return apple_profile(profile);
  if (arguments.device == "android") return android_profile(profile);
  if (arguments.device == "windows") return windows_profile(profile);
  if (arguments.device == "culvert")
    return culvert_profile(profile, fs::path(sibling(path, ".key")).filename().string());
  return network_manager_profile(
      profile, {installed(path, ".ca.pem"), installed(path, ".pem"), installed(path, ".key")});
}

// The files that a profile names and cannot hold.
Outcome<std::vector<std::string>> write_siblings(const Profile& profile,
                                                 const ProfileArguments& arguments) {
  std::vector<std::string> written;
  const auto write = [&](std::string_view ending, ByteView octets, bool secret) -> Outcome<> {
    written.push_back(sibling(arguments.output.path, ending));
    return write_octets({.path = written.back(), .force = arguments.output.force}, octets, secret);
  };
  const bool manager = arguments.device == "linux";
  if (manager && !profile.ca.empty())
    CHECK_OK(write(".ca.pem", as_bytes(write_pem("CERTIFICATE", profile.ca)), false));
  if (manager && profile.certificate)
    CHECK_OK(write(".pem", as_bytes(write_pem("CERTIFICATE", profile.certificate->der)), false));
  if ((manager || arguments.device == "culvert") && profile.certificate)
    CHECK_OK(write(".key", profile.certificate->key_pem.view(), true));
  return written;
}

std::string instructions(const ProfileArguments& arguments,
                         const std::vector<std::string>& siblings) {
  const std::string& path = arguments.output.path;
  if (arguments.device == "apple")
    return fmt::format("send {} to the device (mail, AirDrop) and open it there", path);
  if (arguments.device == "android")
    return fmt::format("open {} on the device with the strongSwan app", path);
  if (arguments.device == "windows")
    return fmt::format("run as administrator: powershell -ExecutionPolicy Bypass -File {}", path);
  if (arguments.device == "culvert") return fmt::format("run as root: culvert connect {}", path);
  return fmt::format(
      "with network-manager-strongswan installed, as root:\n    mkdir -p {0} && cp {1} {0}\n"
      "    install -m 600 {2} /etc/NetworkManager/system-connections/\n"
      "    nmcli connection reload",
      kNetworkManagerFolder, fmt::join(siblings, " "), path);
}

Outcome<Profile> profile_of(const ProfileArguments& arguments) {
  const auto loaded = config::load(arguments.config);
  if (!loaded) return std::unexpected(loaded.error().front().to_string());
  const ConnectionRef tunnel = TRY(tunnel_of(*loaded, arguments));
  CHECK_OK(check_user(*loaded, arguments));
  Profile profile{.server = TRY(server_of(*tunnel, arguments)), .user = arguments.user};
  for (const SelectorConfig& local : tunnel->children.front().local)
    profile.networks.push_back(to_string(local));
  if (const auto ca = TRY(ca_of(*tunnel, arguments))) {
    profile.ca = ca->der;
    profile.ca_name = common_name_of(*ca);
  }
  return profile;
}

Outcome<> show_qr(const ProfileArguments& arguments) {
  const bool reads = arguments.device == "apple" || arguments.device == "android";
  if (!reads) return std::unexpected("--qr is for telephones: --for apple or --for android");
  fmt::print("\n{}\n{}\n", TRY(qr_text(arguments.url)), arguments.url);
  return {};
}

Outcome<> make_profile(const ProfileArguments& given, const Options&) {
  ProfileArguments arguments = given;
  const auto* device = std::ranges::find(kDevices, arguments.device, &Device::name);
  const bool needs_name = arguments.certificate || arguments.device == "linux";
  if (arguments.output.path.empty() && needs_name)
    arguments.output.path = arguments.user + std::string(device->ending);
  Profile profile = TRY(profile_of(arguments));
  std::string password;
  if (arguments.certificate) {
    auto made = TRY(make_client(arguments));
    if (made.shows_password && arguments.device != "linux" && arguments.device != "culvert")
      password = made.certificate.pkcs12_password;
    profile.certificate = std::move(made.certificate);
  }
  const bool secret = profile.certificate.has_value();
  CHECK_OK(write_octets(arguments.output, as_bytes(text_of(profile, arguments)), secret));
  if (arguments.output.path.empty()) return {};
  const auto siblings = TRY(write_siblings(profile, arguments));
  fmt::print("wrote {}{}{}\n", arguments.output.path, siblings.empty() ? "" : " ",
             fmt::join(siblings, " "));
  if (!password.empty())
    fmt::print("password of the certificate: {}    (it is shown only now)\n", password);
  fmt::print("next: {}\n", instructions(arguments, siblings));
  return arguments.url.empty() ? Outcome<>() : show_qr(arguments);
}

}  // namespace

void add_profile(CLI::App& app, const Runner& runner) {
  const auto arguments = std::make_shared<ProfileArguments>();
  CLI::App* profile = add_subcommand(app, runner, "profile",
                                     "Write what a user's device needs to connect to this server",
                                     arguments, make_profile);
  profile->add_option("USER", arguments->user, "The user's name")->required();
  profile->add_option("--for", arguments->device, "The device")
      ->required()
      ->check(CLI::IsMember({"apple", "android", "windows", "linux", "culvert"}));
  profile->add_option("-o,--out", arguments->output.path,
                      "File to write (default: standard output)");
  profile->add_flag("--force", arguments->output.force, "Replace the file when there is one");
  profile->add_flag("--certificate", arguments->certificate, "Make the user a certificate");
  profile->add_option("--password-file", arguments->password_file,
                      "File with the password of that certificate (default: make one up)");
  profile->add_option("--qr", arguments->url,
                      "Show the URL where the profile is put as a QR code for a telephone");
  profile->add_option("--server", arguments->server,
                      "Name or address to connect to (default: what the certificate says)");
  profile->add_option("--tunnel", arguments->tunnel, "The tunnel that takes users, if several do");
  profile->add_option("--ca", arguments->ca, "The CA's certificate (default: ca.pem)");
  profile->add_option("--ca-key", arguments->ca_key, "Its private key (default: ca.key)");
  profile->add_option("--config", arguments->config, "The server's configuration")
      ->capture_default_str();
}

}  // namespace culvert::cli
