// Owns the forms of profiles.
// Invariant: a name from the outside is escaped as its form demands, wherever it stands.
#include "cli/profile.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "cli/users_file.h"
#include "crypto/openssl_provider.h"
#include "crypto/pem.h"
#include "net/address.h"

namespace culvert::cli {
namespace {

using nlohmann::json;

// What all devices have, and what Culvert prefers among it.
constexpr const char* kAppleCipher = "AES-256-GCM";
constexpr const char* kAppleIntegrity = "SHA2-256";
constexpr int kAppleGroup = 19;  // P-256
constexpr int kAppleMinutes = 1'440;

std::string base64(ByteView octets) {
  // The base64 of PEM, without its lines and labels.
  const std::string pem = write_pem("X", octets);
  std::string text;
  for (std::size_t at = pem.find('\n') + 1; pem[at] != '-'; ++at)
    if (pem[at] != '\n') text += pem[at];
  return text;
}

// ---- Apple: a property list ----

std::string xml_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&')
      escaped += "&amp;";
    else if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else
      escaped += c;
  }
  return escaped;
}

class PropertyList {
 public:
  void text(std::string_view key, std::string_view value) {
    line(key, fmt::format("<string>{}</string>", xml_text(value)));
  }
  void number(std::string_view key, int value) {
    line(key, fmt::format("<integer>{}</integer>", value));
  }
  void data(std::string_view key, ByteView value) {
    line(key, fmt::format("<data>{}</data>", base64(value)));
  }
  // A dictionary: of a key, or an element of an array.
  template <class Fill>
  void dictionary(std::string_view key, Fill&& fill) {
    nest(key, "dict", fill);
  }
  template <class Fill>
  void array(std::string_view key, Fill&& fill) {
    nest(key, "array", fill);
  }
  std::string document() const {
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
           "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" "
           "\"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n"
           "<plist version=\"1.0\">\n" +
           text_ + "</plist>\n";
  }

 private:
  void indented(std::string_view text) { text_ += fmt::format("{:{}}{}\n", "", 2 * depth_, text); }
  void line(std::string_view key, std::string_view value) {
    if (!key.empty()) indented(fmt::format("<key>{}</key>", key));
    indented(value);
  }
  template <class Fill>
  void nest(std::string_view key, std::string_view tag, Fill& fill) {
    line(key, fmt::format("<{}>", tag));
    ++depth_;
    fill();
    --depth_;
    indented(fmt::format("</{}>", tag));
  }
  std::string text_;
  std::size_t depth_ = 0;
};

void add_payload_head(PropertyList& list, const Profile& profile, std::string_view part,
                      std::string_view type, std::string_view shown) {
  list.text("PayloadType", type);
  list.number("PayloadVersion", 1);
  list.text("PayloadIdentifier",
            fmt::format("culvert.{}.{}.{}", profile.server, profile.user, part));
  list.text("PayloadUUID", profile.uuid(part));
  list.text("PayloadDisplayName", shown);
}

void add_algorithms(PropertyList& list, std::string_view key) {
  list.dictionary(key, [&] {
    list.text("EncryptionAlgorithm", kAppleCipher);
    list.text("IntegrityAlgorithm", kAppleIntegrity);
    list.number("DiffieHellmanGroup", kAppleGroup);
    list.number("LifeTimeInMinutes", kAppleMinutes);
  });
}

void add_ikev2(PropertyList& list, const Profile& profile) {
  list.dictionary("IKEv2", [&] {
    list.text("RemoteAddress", profile.server);
    list.text("RemoteIdentifier", profile.server);
    list.text("LocalIdentifier", profile.user);
    if (profile.certificate) {
      list.text("AuthenticationMethod", "Certificate");
      list.text("PayloadCertificateUUID", profile.uuid("certificate"));
      list.text("CertificateType", "RSA");
    } else {
      // The user proves who it is by EAP; the server shows its certificate all the same.
      list.text("AuthenticationMethod", "None");
      list.number("ExtendedAuthEnabled", 1);
      list.text("AuthName", profile.user);
    }
    if (!profile.ca_name.empty()) list.text("ServerCertificateIssuerCommonName", profile.ca_name);
    list.text("ServerCertificateCommonName", profile.server);
    list.text("DeadPeerDetectionRate", "Medium");
    list.number("EnablePFS", 0);
    add_algorithms(list, "IKESecurityAssociationParameters");
    add_algorithms(list, "ChildSecurityAssociationParameters");
  });
}

// ---- Windows ----

std::string powershell_string(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("''") : std::string{c};
  return quoted + "'";
}

std::string windows_import(std::string_view what, ByteView octets, std::string_view call) {
  return fmt::format(
      "$file = New-TemporaryFile\n"
      "[IO.File]::WriteAllBytes($file, [Convert]::FromBase64String('{}'))\n"
      "{}\n"
      "Remove-Item $file  # {}\n",
      base64(octets), call, what);
}

// ---- NetworkManager ----

std::string keyfile_text(std::string_view text) {
  std::string escaped;
  for (const char c : text) escaped += c == '\\' ? std::string("\\\\") : std::string{c};
  return escaped;
}

}  // namespace

bool Profile::takes_everything() const {
  return std::ranges::any_of(networks, [](const std::string& network) {
    const auto prefix = Prefix::parse(network);
    return prefix && prefix->length == 0;
  });
}

std::string Profile::uuid(std::string_view part) const {
  const std::string name = fmt::format("culvert\n{}\n{}\n{}", server, user, part);
  std::array<std::uint8_t, 32> digest{};
  [[maybe_unused]] const auto done =
      make_openssl_provider()->hash(Hash::sha2_256, {as_bytes(name)}, digest);
  // RFC 9562, 5.8: version 8 is for hashes of one's own.
  digest[6] = static_cast<std::uint8_t>((digest[6] & 0x0f) | 0x80);
  digest[8] = static_cast<std::uint8_t>((digest[8] & 0x3f) | 0x80);
  std::string text;
  for (std::size_t i = 0; i < 16; ++i)
    text += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", digest[i]);
  return text;
}

std::string apple_profile(const Profile& profile) {
  PropertyList list;
  list.dictionary({}, [&] {
    add_payload_head(list, profile, "profile", "Configuration", profile.server + " VPN");
    list.array("PayloadContent", [&] {
      if (!profile.ca.empty())
        list.dictionary({}, [&] {
          add_payload_head(list, profile, "ca", "com.apple.security.root", profile.ca_name);
          list.data("PayloadContent", profile.ca);
        });
      if (profile.certificate)
        list.dictionary({}, [&] {
          add_payload_head(list, profile, "certificate", "com.apple.security.pkcs12", profile.user);
          list.data("PayloadContent", profile.certificate->pkcs12.view());
        });
      list.dictionary({}, [&] {
        add_payload_head(list, profile, "vpn", "com.apple.vpn.managed", profile.server);
        list.text("UserDefinedName", profile.server);
        list.text("VPNType", "IKEv2");
        add_ikev2(list, profile);
        list.dictionary(
            "IPv4", [&] { list.number("OverridePrimary", profile.takes_everything() ? 1 : 0); });
      });
    });
  });
  return list.document();
}

std::string android_profile(const Profile& profile) {
  json root = {{"uuid", profile.uuid("vpn")}, {"name", profile.server}};
  root["type"] = profile.certificate ? "ikev2-cert" : "ikev2-eap";
  root["remote"] = {{"addr", profile.server}, {"id", profile.server}};
  if (!profile.ca.empty()) root["remote"]["cert"] = base64(profile.ca);
  if (profile.certificate)
    root["local"] = {{"id", profile.user}, {"p12", base64(profile.certificate->pkcs12.view())}};
  else
    root["local"] = {{"eap_id", profile.user}};
  if (!profile.takes_everything()) root["split-tunneling"] = {{"subnets", profile.networks}};
  return root.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string windows_profile(const Profile& profile) {
  const std::string name = powershell_string(profile.server);
  std::string script =
      "# Run as administrator: powershell -ExecutionPolicy Bypass -File THIS\n"
      "#Requires -RunAsAdministrator\n"
      "$ErrorActionPreference = 'Stop'\n";
  if (!profile.ca.empty())
    script += windows_import("the CA", profile.ca,
                             "Import-Certificate -FilePath $file -CertStoreLocation "
                             "Cert:\\LocalMachine\\Root | Out-Null");
  if (profile.certificate)
    script +=
        windows_import("the certificate", profile.certificate->pkcs12.view(),
                       "Import-PfxCertificate -FilePath $file -CertStoreLocation "
                       "Cert:\\LocalMachine\\My -Password "
                       "(Read-Host 'Password of the certificate' -AsSecureString) | Out-Null");
  script += fmt::format(
      "Get-VpnConnection -Name {0} -AllUserConnection -ErrorAction SilentlyContinue |\n"
      "  Remove-VpnConnection -AllUserConnection -Force\n"
      "Add-VpnConnection -Name {0} -ServerAddress {0} -TunnelType IKEv2 `\n"
      "  -AuthenticationMethod {1} -EncryptionLevel Maximum -AllUserConnection{2}\n"
      // Windows by itself offers groups of 1024 bits only.
      "Set-VpnConnectionIPsecConfiguration -ConnectionName {0} -AllUserConnection -Force `\n"
      "  -EncryptionMethod AES256 -IntegrityCheckMethod SHA384 -DHGroup ECP384 `\n"
      "  -CipherTransformConstants GCMAES256 -AuthenticationTransformConstants GCMAES256 `\n"
      "  -PfsGroup None\n",
      name, profile.certificate ? "MachineCertificate" : "EAP",
      profile.takes_everything() ? "" : " -SplitTunneling");
  if (!profile.takes_everything())
    for (const std::string& network : profile.networks)
      script += fmt::format(
          "Add-VpnConnectionRoute -ConnectionName {} -DestinationPrefix {} -AllUserConnection\n",
          name, powershell_string(network));
  if (!profile.certificate)
    script +=
        fmt::format("Write-Host {}\n",
                    powershell_string(fmt::format("Connect to {} in the network settings; the user "
                                                  "name is {}",
                                                  profile.server, profile.user)));
  return script;
}

std::string network_manager_profile(const Profile& profile, const NetworkManagerFiles& files) {
  std::string text = fmt::format(
      "[connection]\nid={}\nuuid={}\ntype=vpn\nautoconnect=false\n\n[vpn]\n"
      "service-type=org.freedesktop.NetworkManager.strongswan\naddress={}\n",
      keyfile_text(profile.server), profile.uuid("vpn"), keyfile_text(profile.server));
  if (!profile.ca.empty()) text += fmt::format("certificate={}\n", keyfile_text(files.ca));
  if (profile.certificate)
    text += fmt::format("method=cert\ncert-source=file\nusercert={}\nuserkey={}\n",
                        keyfile_text(files.certificate), keyfile_text(files.key));
  else
    text += fmt::format("method=eap\nuser={}\npassword-flags=1\n", keyfile_text(profile.user));
  text +=
      "virtual=yes\nencap=no\nipcomp=no\nproposal=no\n\n[ipv4]\nmethod=auto\n\n[ipv6]\n"
      "method=auto\n";
  return text;
}

std::string culvert_profile(const Profile& profile, const std::string& key_file) {
  std::string text =
      fmt::format("# {} at {}: culvert connect THIS\n[tunnel.{}]\npeer     = {}\n", profile.user,
                  profile.server, toml_key(profile.server), toml_string(profile.server));
  const auto pem = [](ByteView der) {
    return fmt::format("\"\"\"\n{}\"\"\"\n", write_pem("CERTIFICATE", der));
  };
  if (profile.certificate)
    text +=
        fmt::format("cert     = {}key      = {}\nlocal_id = {}\n", pem(profile.certificate->der),
                    toml_string(key_file), toml_string(profile.user));
  else
    text += fmt::format("eap_user = {}\n", toml_string(profile.user));
  std::string networks;
  for (const std::string& network : profile.networks)
    networks += fmt::format("{}{}", networks.empty() ? "" : ", ", toml_string(network));
  text += fmt::format("remote   = [{}]\nrequest_address = true\n", networks);
  text += profile.ca.empty() ? "ca       = \"/etc/ssl/certs/ca-certificates.crt\"\n"
                             : fmt::format("ca       = {}", pem(profile.ca));
  return text;
}

}  // namespace culvert::cli
