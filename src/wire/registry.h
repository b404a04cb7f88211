// The numbers of IANA's registries "IKEv2 Parameters" and, for exchange types, "ISAKMP"
// (RFC 2408, 3.1 and RFC 2409). The transforms' own numbers stand in crypto/transforms.h.
// Invariant: registries are open. An enumerator may hold any value of its width, and name_of() of
// a value that is not listed is empty.
#pragma once

#include <cstdint>
#include <string_view>

namespace culvert::wire {

enum class ExchangeType : std::uint8_t {
  none = 0,
  // IKEv1
  base = 1,
  identity_protection = 2,
  authentication_only = 3,
  aggressive = 4,
  informational_v1 = 5,
  transaction = 6,
  quick_mode = 32,
  new_group_mode = 33,
  // IKEv2
  ike_sa_init = 34,
  ike_auth = 35,
  create_child_sa = 36,
  informational = 37,
  ike_session_resume = 38,
  gsa_auth = 39,
  gsa_registration = 40,
  gsa_rekey = 41,
  gsa_inband_rekey = 42,
  ike_intermediate = 43,
  ike_followup_ke = 44
};

enum class PayloadType : std::uint8_t {
  none = 0,
  sa = 33,
  ke = 34,
  id_i = 35,
  id_r = 36,
  cert = 37,
  certreq = 38,
  auth = 39,
  nonce = 40,
  notify = 41,
  delete_ = 42,
  vendor_id = 43,
  ts_i = 44,
  ts_r = 45,
  sk = 46,
  cp = 47,
  eap = 48,
  gspm = 49,
  id_g = 50,
  gsa = 51,
  kd = 52,
  skf = 53,
  ps = 54
};

enum class NotifyType : std::uint16_t {
  // Errors: 1 to 16383
  unsupported_critical_payload = 1,
  invalid_ike_spi = 4,
  invalid_major_version = 5,
  invalid_syntax = 7,
  invalid_message_id = 9,
  invalid_spi = 11,
  no_proposal_chosen = 14,
  invalid_ke_payload = 17,
  authentication_failed = 24,
  single_pair_required = 34,
  no_additional_sas = 35,
  internal_address_failure = 36,
  failed_cp_required = 37,
  ts_unacceptable = 38,
  invalid_selectors = 39,
  unacceptable_addresses = 40,
  unexpected_nat_detected = 41,
  use_assigned_hoa = 42,
  temporary_failure = 43,
  child_sa_not_found = 44,
  invalid_group_id = 45,
  authorization_failed = 46,
  state_not_found = 47,
  ts_max_queue = 48,
  registration_failed = 49,
  // Status: 16384 and up
  initial_contact = 16384,
  set_window_size = 16385,
  additional_ts_possible = 16386,
  ipcomp_supported = 16387,
  nat_detection_source_ip = 16388,
  nat_detection_destination_ip = 16389,
  cookie = 16390,
  use_transport_mode = 16391,
  http_cert_lookup_supported = 16392,
  rekey_sa = 16393,
  esp_tfc_padding_not_supported = 16394,
  non_first_fragments_also = 16395,
  mobike_supported = 16396,
  additional_ip4_address = 16397,
  additional_ip6_address = 16398,
  no_additional_addresses = 16399,
  update_sa_addresses = 16400,
  cookie2 = 16401,
  no_nats_allowed = 16402,
  auth_lifetime = 16403,
  multiple_auth_supported = 16404,
  another_auth_follows = 16405,
  redirect_supported = 16406,
  redirect = 16407,
  redirected_from = 16408,
  ticket_lt_opaque = 16409,
  ticket_request = 16410,
  ticket_ack = 16411,
  ticket_nack = 16412,
  ticket_opaque = 16413,
  link_id = 16414,
  use_wesp_mode = 16415,
  rohc_supported = 16416,
  eap_only_authentication = 16417,
  childless_ikev2_supported = 16418,
  quick_crash_detection = 16419,
  ikev2_message_id_sync_supported = 16420,
  ipsec_replay_counter_sync_supported = 16421,
  ikev2_message_id_sync = 16422,
  ipsec_replay_counter_sync = 16423,
  secure_password_methods = 16424,
  psk_persist = 16425,
  psk_confirm = 16426,
  erx_supported = 16427,
  ifom_capability = 16428,
  group_sender = 16429,
  fragmentation_supported = 16430,
  signature_hash_algorithms = 16431,
  clone_ike_sa_supported = 16432,
  clone_ike_sa = 16433,
  puzzle = 16434,
  use_ppk = 16435,
  ppk_identity = 16436,
  no_ppk_auth = 16437,
  intermediate_exchange_supported = 16438,
  ip4_allowed = 16439,
  ip6_allowed = 16440,
  additional_key_exchange = 16441,
  use_aggfrag = 16442,
  supported_auth_methods = 16443,
  sa_resource_info = 16444,
  use_ppk_int = 16445,
  ppk_identity_key = 16446,
  ike_sa_init_full_transcript_auth = 16447
};
// RFC 7296, 3.10.1: types below 16384 report errors, known to us or not.
constexpr bool is_error(NotifyType type) { return static_cast<std::uint16_t>(type) < 16384; }

enum class ProtocolId : std::uint8_t {
  none = 0,
  ike = 1,
  ah = 2,
  esp = 3,
  fc_esp_header = 4,
  fc_ct_authentication = 5,
  gike_update = 6
};

enum class IdType : std::uint8_t {
  ipv4_addr = 1,
  fqdn = 2,
  rfc822_addr = 3,
  ipv6_addr = 5,
  der_asn1_dn = 9,
  der_asn1_gn = 10,
  key_id = 11,
  fc_name = 12,
  null = 13
};

enum class AuthMethod : std::uint8_t {
  rsa_signature = 1,
  shared_key = 2,
  dss_signature = 3,
  ecdsa_256 = 9,
  ecdsa_384 = 10,
  ecdsa_521 = 11,
  generic_secure_password = 12,
  null = 13,
  digital_signature = 14
};

enum class CertEncoding : std::uint8_t {
  pkcs7_x509 = 1,
  pgp = 2,
  dns_signed_key = 3,
  x509_signature = 4,
  kerberos_token = 6,
  crl = 7,
  arl = 8,
  spki = 9,
  x509_attribute = 10,
  raw_rsa_key = 11,
  hash_and_url_x509 = 12,
  hash_and_url_bundle = 13,
  ocsp_content = 14,
  raw_public_key = 15
};

enum class ConfigType : std::uint8_t { request = 1, reply = 2, set = 3, ack = 4 };

enum class ConfigAttribute : std::uint16_t {
  internal_ip4_address = 1,
  internal_ip4_netmask = 2,
  internal_ip4_dns = 3,
  internal_ip4_nbns = 4,
  internal_address_expiry = 5,
  internal_ip4_dhcp = 6,
  application_version = 7,
  internal_ip6_address = 8,
  internal_ip6_nbns = 9,
  internal_ip6_dns = 10,
  internal_ip6_dhcp = 12,
  internal_ip4_subnet = 13,
  supported_attributes = 14,
  internal_ip6_subnet = 15,
  mip6_home_prefix = 16,
  internal_ip6_link = 17,
  internal_ip6_prefix = 18,
  home_agent_address = 19,
  p_cscf_ip4_address = 20,
  p_cscf_ip6_address = 21,
  ftt_kat = 22,
  external_source_ip4_nat_info = 23,
  timeout_period_for_liveness_check = 24,
  internal_dns_domain = 25,
  internal_dnssec_ta = 26,
  encdns_ip4 = 27,
  encdns_ip6 = 28,
  encdns_digest_info = 29
};

enum class TsType : std::uint8_t {
  ipv4 = 7,  // TS_IPV4_ADDR_RANGE
  ipv6 = 8,  // TS_IPV6_ADDR_RANGE
  fc = 9,    // TS_FC_ADDR_RANGE
  seclabel = 10
};

// IANA's names ("IKE_SA_INIT"); empty for unknown numbers.
std::string_view name_of(ExchangeType type);
std::string_view name_of(PayloadType type);  // the RFC's notation: "SA", "IDi", "N", "TSr", "SK"
std::string_view name_of(NotifyType type);
std::string_view name_of(ProtocolId protocol);
std::string_view name_of(IdType type);
std::string_view name_of(AuthMethod method);
std::string_view name_of(CertEncoding encoding);
std::string_view name_of(ConfigType type);
std::string_view name_of(ConfigAttribute attribute);
std::string_view name_of(TsType type);

}  // namespace culvert::wire
