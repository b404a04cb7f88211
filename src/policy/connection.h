// What the operator wants, with every default filled in: the one form that TOML and vici both make.
// Values are immutable once loaded; SAs hold them by shared_ptr<const>.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/secret.h"
#include "base/time.h"
#include "policy/identity.h"
#include "policy/proposal.h"
#include "policy/traffic_selector.h"

namespace culvert {

// One element of local_addrs or remote_addrs: a range (a single address is a range of one), any
// address, or a host name that io/ resolves before `initiate`.
struct AddressPattern {
  enum class Kind : std::uint8_t { any, range, host_name } kind = Kind::any;
  IpAddress first, last;
  std::string host_name;
  // A host name matches any address: what it stands for is not known here.
  bool matches(const IpAddress& address) const;
  bool is_single() const { return kind == Kind::range && first == last; }
  bool operator==(const AddressPattern&) const = default;
};
// "192.0.2.1", "192.0.2.0/24", "192.0.2.1-192.0.2.9", "%any", "%any4", "%any6", "gw.example.org".
std::optional<AddressPattern> parse_address_pattern(std::string_view text);
std::string to_string(const AddressPattern& pattern);

enum class AuthKind : std::uint8_t { psk, pubkey, eap, null };
enum class Mode : std::uint8_t { tunnel, transport, beet, pass, drop };
enum class StartAction : std::uint8_t { none = 0, trap = 1, start = 2, trap_and_start = 3 };
enum class CloseAction : std::uint8_t { none, trap, start };
enum class DpdAction : std::uint8_t { clear, trap, start };
enum class Unique : std::uint8_t { no, never, keep, replace };
enum class Encap : std::uint8_t {
  automatic,  // UDP where a NAT is seen, or where the data plane is faster with it
  always,     // UDP encapsulation whether or not there is a NAT
  never       // only when a NAT is really there
};

// RFC 7383. accept: the peer may send fragments, we don't.
enum class Fragmentation : std::uint8_t { no, accept, yes };
// RFC 6023, IKE SAs without a first CHILD SA: as responder we allow or refuse them (never), as
// initiator we use them where the peer can (prefer), or insist (force).
enum class Childless : std::uint8_t { allow, prefer, force, never };
// RFC 6040 and RFC 4301, 5.1.2: where the DSCP is copied between inner and outer headers.
enum class CopyDscp : std::uint8_t { out, in, yes, no };

// A firewall mark; it applies where mask has ones. kUnique as value: one of
// its own per CHILD SA.
struct Mark {
  std::uint32_t value = 0, mask = 0;
  explicit operator bool() const { return mask != 0; }
  bool operator==(const Mark&) const = default;
};
// For marks and interface numbers: one of its own per CHILD SA, or per CHILD SA and direction.
inline constexpr std::uint32_t kUnique = 0xffff'ffff;
inline constexpr std::uint32_t kUniquePerDirection = 0xffff'fffe;
// For set_mark_in and set_mark_out: the value of mark_in or mark_out, under a mask of its own.
inline constexpr std::uint32_t kSameMark = 0xffff'ffff;
// ChildConfig::tfc_padding: as far as the path MTU allows.
inline constexpr std::uint32_t kPadToMtu = 0xffff'ffff;

// A certificate, or a SubjectPublicKeyInfo, as the operator gave it: DER, shared by all that name
// it, compared by content.
struct CertificateData {
  std::shared_ptr<const Bytes> der;
  ByteView view() const { return *der; }
  bool operator==(const CertificateData& other) const {
    return der == other.der || (der && other.der && *der == *other.der);
  }
};
// When is a certificate refused for want of news about its revocation? relaxed: never; if_uri: when
// it says where to ask; strict: always.
enum class Revocation : std::uint8_t { relaxed, if_uri, strict };
// When our certificate is sent: if_asked: when the peer's CERTREQ wants it.
enum class SendCert : std::uint8_t { always, if_asked, never };

struct AuthConfig {
  AuthKind kind = AuthKind::psk;
  // any: for the local side, what its certificate says, or the IKE address; for the remote side,
  // whoever proves it.
  Identity id;
  // Of the local side: ours, the first that we have the key of is used; the others of its chain may
  // follow. Of the remote side: the only ones that are accepted; none: whichever the CAs vouch for.
  std::vector<CertificateData> certs;
  std::vector<CertificateData> cacerts;  // one must vouch for the peer; none: any CA that we have
  // Raw public keys (RFC 7670), in place of certificates. Of the local side: ours, as with `certs`;
  // of the remote side: the only ones that are accepted.
  std::vector<CertificateData> pubkeys;
  Revocation revocation = Revocation::relaxed;
  std::vector<std::string> eap_methods;  // as eap::parse_type() takes them; none: the usual ones
  // Of the remote side: EAP is the business of this AAA service; an empty name: of the only one.
  std::optional<std::string> aaa;
  // Of the remote side: it has to belong to one of these; none: to any.
  std::vector<std::string> groups;
  // The user's name in EAP. Absent: IKE's identity. Of the remote side, a pattern is asked for by
  // EAP-Identity.
  std::optional<Identity> eap_id;
  // Of the local side: whose certificate an EAP method with TLS has to show, where that is not the
  // responder itself.
  std::optional<Identity> aaa_id;
  bool operator==(const AuthConfig&) const = default;
};

struct Lifetime {  // zero: unlimited
  Duration rekey_time{}, life_time{}, rand_time{};
  std::uint64_t rekey_bytes = 0, life_bytes = 0, rand_bytes = 0;
  std::uint64_t rekey_packets = 0, life_packets = 0, rand_packets = 0;
  bool operator==(const Lifetime&) const = default;
};

struct ChildConfig {
  std::string name;
  std::vector<SelectorConfig> local, remote;  // default: dynamic
  std::vector<Proposal> proposals;            // protocol esp or ah
  Mode mode = Mode::tunnel;
  StartAction start_action = StartAction::none;
  CloseAction close_action = CloseAction::none;
  DpdAction dpd_action = DpdAction::clear;
  Lifetime lifetime;
  std::uint32_t reqid = 0;  // 0: allocated
  std::uint32_t priority = 0;
  std::uint32_t replay_window = 4'096;
  Duration inactivity{};          // without traffic for so long: deleted; zero: never
  bool policies = true;           // false: SAs without policies
  bool ipcomp = false;            // RFC 3173 with DEFLATE, where the peer wants it too
  std::uint32_t tfc_padding = 0;  // octets that shorter inner packets are padded to (RFC 4303, 2.7)
  bool copy_df = true, copy_ecn = true;
  CopyDscp copy_dscp = CopyDscp::out;
  Mark mark_in, mark_out;                     // that the policies (and the outbound SA) match
  bool mark_in_sa = false;                    // mark_in for the inbound SA too
  Mark set_mark_in, set_mark_out;             // given to packets after processing
  std::uint32_t if_id_in = 0, if_id_out = 0;  // of xfrm interfaces; zero: none
  std::string interface;                      // that the policies are restricted to
  std::string updown;                         // program run when a CHILD SA comes up or goes down
  bool hostaccess = false;                    // tells `updown` so
  bool operator==(const ChildConfig&) const = default;

  bool is_shunt() const { return mode == Mode::pass || mode == Mode::drop; }
};

struct ConnectionConfig {
  std::string name;
  std::uint8_t version = 2;                               // 0: either, 1, 2
  std::vector<AddressPattern> local_addrs, remote_addrs;  // empty: any
  std::uint16_t local_port = 500, remote_port = 500;
  std::vector<Proposal> proposals;
  AuthConfig local, remote;
  std::vector<ChildConfig> children;
  Encap encap = Encap::automatic;
  Duration dpd_delay{};  // zero: no liveness checks
  Duration rekey_time = std::chrono::hours(4);
  Duration reauth_time{};
  Duration over_time{};
  Duration rand_time{};
  std::uint32_t keyingtries = 1;  // 0: for ever
  Unique unique = Unique::no;
  bool mobike = true;
  Fragmentation fragmentation = Fragmentation::yes;
  Childless childless = Childless::allow;
  std::uint8_t dscp = 0;                      // of IKE messages
  std::uint32_t if_id_in = 0, if_id_out = 0;  // default of the children
  bool send_certreq = true;
  SendCert send_cert = SendCert::if_asked;
  // keep = "up": retried for ever with backoff, restarted when the peer closes it
  bool keep_up = false;
  std::vector<std::string> pools;  // of which the peer gets addresses; it must ask for one then
  // Addresses that we ask the peer for; 0.0.0.0 and :: stand for any of that family.
  std::vector<IpAddress> vips;
  bool operator==(const ConnectionConfig&) const = default;

  const ChildConfig* child(std::string_view child_name) const;
  // Only a carrier of pass and drop policies: never negotiated, so it needs no authentication.
  bool has_only_shunts() const;
};
using ConnectionRef = std::shared_ptr<const ConnectionConfig>;

// A pre-shared key and whom it belongs to. No owners: everybody.
struct SharedSecret {
  std::string id;  // vici's unique id, or where it stands in the configuration
  SecretBytes secret;
  std::vector<Identity> owners;
};

}  // namespace culvert
