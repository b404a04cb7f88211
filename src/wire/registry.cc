// IANA's names for the numbers in registry.h.
// Invariant: each table is in the order of its numbers, which the compiler checks.
#include "wire/registry.h"

#include <algorithm>
#include <array>

namespace culvert::wire {
namespace {

template <class E>
struct Entry {
  E value;
  std::string_view name;
};

template <class E, std::size_t N>
constexpr bool ordered(const std::array<Entry<E>, N>& table) {
  return std::ranges::adjacent_find(table, std::ranges::greater_equal{}, &Entry<E>::value) ==
         table.end();
}

template <class E, std::size_t N>
std::string_view lookup(const std::array<Entry<E>, N>& table, E value) {
  const auto found = std::ranges::lower_bound(table, value, {}, &Entry<E>::value);
  return found != table.end() && found->value == value ? found->name : std::string_view{};
}

constexpr auto kExchangeTypeNames = std::to_array<Entry<ExchangeType>>({
    {ExchangeType::base, "Base"},
    {ExchangeType::identity_protection, "Identity Protection"},
    {ExchangeType::authentication_only, "Authentication Only"},
    {ExchangeType::aggressive, "Aggressive"},
    {ExchangeType::informational_v1, "Informational"},
    {ExchangeType::transaction, "Transaction"},
    {ExchangeType::quick_mode, "Quick Mode"},
    {ExchangeType::new_group_mode, "New Group Mode"},
    {ExchangeType::ike_sa_init, "IKE_SA_INIT"},
    {ExchangeType::ike_auth, "IKE_AUTH"},
    {ExchangeType::create_child_sa, "CREATE_CHILD_SA"},
    {ExchangeType::informational, "INFORMATIONAL"},
    {ExchangeType::ike_session_resume, "IKE_SESSION_RESUME"},
    {ExchangeType::gsa_auth, "GSA_AUTH"},
    {ExchangeType::gsa_registration, "GSA_REGISTRATION"},
    {ExchangeType::gsa_rekey, "GSA_REKEY"},
    {ExchangeType::gsa_inband_rekey, "GSA_INBAND_REKEY"},
    {ExchangeType::ike_intermediate, "IKE_INTERMEDIATE"},
    {ExchangeType::ike_followup_ke, "IKE_FOLLOWUP_KE"},
});
static_assert(ordered(kExchangeTypeNames));

constexpr auto kPayloadTypeNames = std::to_array<Entry<PayloadType>>({
    {PayloadType::sa, "SA"},     {PayloadType::ke, "KE"},       {PayloadType::id_i, "IDi"},
    {PayloadType::id_r, "IDr"},  {PayloadType::cert, "CERT"},   {PayloadType::certreq, "CERTREQ"},
    {PayloadType::auth, "AUTH"}, {PayloadType::nonce, "Nonce"}, {PayloadType::notify, "N"},
    {PayloadType::delete_, "D"}, {PayloadType::vendor_id, "V"}, {PayloadType::ts_i, "TSi"},
    {PayloadType::ts_r, "TSr"},  {PayloadType::sk, "SK"},       {PayloadType::cp, "CP"},
    {PayloadType::eap, "EAP"},   {PayloadType::gspm, "GSPM"},   {PayloadType::id_g, "IDg"},
    {PayloadType::gsa, "GSA"},   {PayloadType::kd, "KD"},       {PayloadType::skf, "SKF"},
    {PayloadType::ps, "PS"},
});
static_assert(ordered(kPayloadTypeNames));

constexpr auto kNotifyTypeNames = std::to_array<Entry<NotifyType>>({
    {NotifyType::unsupported_critical_payload, "UNSUPPORTED_CRITICAL_PAYLOAD"},
    {NotifyType::invalid_ike_spi, "INVALID_IKE_SPI"},
    {NotifyType::invalid_major_version, "INVALID_MAJOR_VERSION"},
    {NotifyType::invalid_syntax, "INVALID_SYNTAX"},
    {NotifyType::invalid_message_id, "INVALID_MESSAGE_ID"},
    {NotifyType::invalid_spi, "INVALID_SPI"},
    {NotifyType::no_proposal_chosen, "NO_PROPOSAL_CHOSEN"},
    {NotifyType::invalid_ke_payload, "INVALID_KE_PAYLOAD"},
    {NotifyType::authentication_failed, "AUTHENTICATION_FAILED"},
    {NotifyType::single_pair_required, "SINGLE_PAIR_REQUIRED"},
    {NotifyType::no_additional_sas, "NO_ADDITIONAL_SAS"},
    {NotifyType::internal_address_failure, "INTERNAL_ADDRESS_FAILURE"},
    {NotifyType::failed_cp_required, "FAILED_CP_REQUIRED"},
    {NotifyType::ts_unacceptable, "TS_UNACCEPTABLE"},
    {NotifyType::invalid_selectors, "INVALID_SELECTORS"},
    {NotifyType::unacceptable_addresses, "UNACCEPTABLE_ADDRESSES"},
    {NotifyType::unexpected_nat_detected, "UNEXPECTED_NAT_DETECTED"},
    {NotifyType::use_assigned_hoa, "USE_ASSIGNED_HoA"},
    {NotifyType::temporary_failure, "TEMPORARY_FAILURE"},
    {NotifyType::child_sa_not_found, "CHILD_SA_NOT_FOUND"},
    {NotifyType::invalid_group_id, "INVALID_GROUP_ID"},
    {NotifyType::authorization_failed, "AUTHORIZATION_FAILED"},
    {NotifyType::state_not_found, "STATE_NOT_FOUND"},
    {NotifyType::ts_max_queue, "TS_MAX_QUEUE"},
    {NotifyType::registration_failed, "REGISTRATION_FAILED"},
    {NotifyType::initial_contact, "INITIAL_CONTACT"},
    {NotifyType::set_window_size, "SET_WINDOW_SIZE"},
    {NotifyType::additional_ts_possible, "ADDITIONAL_TS_POSSIBLE"},
    {NotifyType::ipcomp_supported, "IPCOMP_SUPPORTED"},
    {NotifyType::nat_detection_source_ip, "NAT_DETECTION_SOURCE_IP"},
    {NotifyType::nat_detection_destination_ip, "NAT_DETECTION_DESTINATION_IP"},
    {NotifyType::cookie, "COOKIE"},
    {NotifyType::use_transport_mode, "USE_TRANSPORT_MODE"},
    {NotifyType::http_cert_lookup_supported, "HTTP_CERT_LOOKUP_SUPPORTED"},
    {NotifyType::rekey_sa, "REKEY_SA"},
    {NotifyType::esp_tfc_padding_not_supported, "ESP_TFC_PADDING_NOT_SUPPORTED"},
    {NotifyType::non_first_fragments_also, "NON_FIRST_FRAGMENTS_ALSO"},
    {NotifyType::mobike_supported, "MOBIKE_SUPPORTED"},
    {NotifyType::additional_ip4_address, "ADDITIONAL_IP4_ADDRESS"},
    {NotifyType::additional_ip6_address, "ADDITIONAL_IP6_ADDRESS"},
    {NotifyType::no_additional_addresses, "NO_ADDITIONAL_ADDRESSES"},
    {NotifyType::update_sa_addresses, "UPDATE_SA_ADDRESSES"},
    {NotifyType::cookie2, "COOKIE2"},
    {NotifyType::no_nats_allowed, "NO_NATS_ALLOWED"},
    {NotifyType::auth_lifetime, "AUTH_LIFETIME"},
    {NotifyType::multiple_auth_supported, "MULTIPLE_AUTH_SUPPORTED"},
    {NotifyType::another_auth_follows, "ANOTHER_AUTH_FOLLOWS"},
    {NotifyType::redirect_supported, "REDIRECT_SUPPORTED"},
    {NotifyType::redirect, "REDIRECT"},
    {NotifyType::redirected_from, "REDIRECTED_FROM"},
    {NotifyType::ticket_lt_opaque, "TICKET_LT_OPAQUE"},
    {NotifyType::ticket_request, "TICKET_REQUEST"},
    {NotifyType::ticket_ack, "TICKET_ACK"},
    {NotifyType::ticket_nack, "TICKET_NACK"},
    {NotifyType::ticket_opaque, "TICKET_OPAQUE"},
    {NotifyType::link_id, "LINK_ID"},
    {NotifyType::use_wesp_mode, "USE_WESP_MODE"},
    {NotifyType::rohc_supported, "ROHC_SUPPORTED"},
    {NotifyType::eap_only_authentication, "EAP_ONLY_AUTHENTICATION"},
    {NotifyType::childless_ikev2_supported, "CHILDLESS_IKEV2_SUPPORTED"},
    {NotifyType::quick_crash_detection, "QUICK_CRASH_DETECTION"},
    {NotifyType::ikev2_message_id_sync_supported, "IKEV2_MESSAGE_ID_SYNC_SUPPORTED"},
    {NotifyType::ipsec_replay_counter_sync_supported, "IPSEC_REPLAY_COUNTER_SYNC_SUPPORTED"},
    {NotifyType::ikev2_message_id_sync, "IKEV2_MESSAGE_ID_SYNC"},
    {NotifyType::ipsec_replay_counter_sync, "IPSEC_REPLAY_COUNTER_SYNC"},
    {NotifyType::secure_password_methods, "SECURE_PASSWORD_METHODS"},
    {NotifyType::psk_persist, "PSK_PERSIST"},
    {NotifyType::psk_confirm, "PSK_CONFIRM"},
    {NotifyType::erx_supported, "ERX_SUPPORTED"},
    {NotifyType::ifom_capability, "IFOM_CAPABILITY"},
    {NotifyType::group_sender, "GROUP_SENDER"},
    {NotifyType::fragmentation_supported, "IKEV2_FRAGMENTATION_SUPPORTED"},
    {NotifyType::signature_hash_algorithms, "SIGNATURE_HASH_ALGORITHMS"},
    {NotifyType::clone_ike_sa_supported, "CLONE_IKE_SA_SUPPORTED"},
    {NotifyType::clone_ike_sa, "CLONE_IKE_SA"},
    {NotifyType::puzzle, "PUZZLE"},
    {NotifyType::use_ppk, "USE_PPK"},
    {NotifyType::ppk_identity, "PPK_IDENTITY"},
    {NotifyType::no_ppk_auth, "NO_PPK_AUTH"},
    {NotifyType::intermediate_exchange_supported, "INTERMEDIATE_EXCHANGE_SUPPORTED"},
    {NotifyType::ip4_allowed, "IP4_ALLOWED"},
    {NotifyType::ip6_allowed, "IP6_ALLOWED"},
    {NotifyType::additional_key_exchange, "ADDITIONAL_KEY_EXCHANGE"},
    {NotifyType::use_aggfrag, "USE_AGGFRAG"},
    {NotifyType::supported_auth_methods, "SUPPORTED_AUTH_METHODS"},
    {NotifyType::sa_resource_info, "SA_RESOURCE_INFO"},
    {NotifyType::use_ppk_int, "USE_PPK_INT"},
    {NotifyType::ppk_identity_key, "PPK_IDENTITY_KEY"},
    {NotifyType::ike_sa_init_full_transcript_auth, "IKE_SA_INIT_FULL_TRANSCRIPT_AUTH"},
});
static_assert(ordered(kNotifyTypeNames));

constexpr auto kProtocolIdNames = std::to_array<Entry<ProtocolId>>({
    {ProtocolId::ike, "IKE"},
    {ProtocolId::ah, "AH"},
    {ProtocolId::esp, "ESP"},
    {ProtocolId::fc_esp_header, "FC_ESP_HEADER"},
    {ProtocolId::fc_ct_authentication, "FC_CT_AUTHENTICATION"},
    {ProtocolId::gike_update, "GIKE_UPDATE"},
});
static_assert(ordered(kProtocolIdNames));

constexpr auto kIdTypeNames = std::to_array<Entry<IdType>>({
    {IdType::ipv4_addr, "ID_IPV4_ADDR"},
    {IdType::fqdn, "ID_FQDN"},
    {IdType::rfc822_addr, "ID_RFC822_ADDR"},
    {IdType::ipv6_addr, "ID_IPV6_ADDR"},
    {IdType::der_asn1_dn, "ID_DER_ASN1_DN"},
    {IdType::der_asn1_gn, "ID_DER_ASN1_GN"},
    {IdType::key_id, "ID_KEY_ID"},
    {IdType::fc_name, "ID_FC_NAME"},
    {IdType::null, "ID_NULL"},
});
static_assert(ordered(kIdTypeNames));

constexpr auto kAuthMethodNames = std::to_array<Entry<AuthMethod>>({
    {AuthMethod::rsa_signature, "RSA Digital Signature"},
    {AuthMethod::shared_key, "Shared Key Message Integrity Code"},
    {AuthMethod::dss_signature, "DSS Digital Signature"},
    {AuthMethod::ecdsa_256, "ECDSA with SHA-256 on the P-256 curve"},
    {AuthMethod::ecdsa_384, "ECDSA with SHA-384 on the P-384 curve"},
    {AuthMethod::ecdsa_521, "ECDSA with SHA-512 on the P-521 curve"},
    {AuthMethod::generic_secure_password, "Generic Secure Password Authentication Method"},
    {AuthMethod::null, "NULL Authentication"},
    {AuthMethod::digital_signature, "Digital Signature"},
});
static_assert(ordered(kAuthMethodNames));

constexpr auto kCertEncodingNames = std::to_array<Entry<CertEncoding>>({
    {CertEncoding::pkcs7_x509, "PKCS #7 wrapped X.509 certificate"},
    {CertEncoding::pgp, "PGP Certificate"},
    {CertEncoding::dns_signed_key, "DNS Signed Key"},
    {CertEncoding::x509_signature, "X.509 Certificate - Signature"},
    {CertEncoding::kerberos_token, "Kerberos Token"},
    {CertEncoding::crl, "Certificate Revocation List (CRL)"},
    {CertEncoding::arl, "Authority Revocation List (ARL)"},
    {CertEncoding::spki, "SPKI Certificate"},
    {CertEncoding::x509_attribute, "X.509 Certificate - Attribute"},
    {CertEncoding::raw_rsa_key, "Raw RSA Key (deprecated)"},
    {CertEncoding::hash_and_url_x509, "Hash and URL of X.509 certificate"},
    {CertEncoding::hash_and_url_bundle, "Hash and URL of X.509 bundle"},
    {CertEncoding::ocsp_content, "OCSP Content"},
    {CertEncoding::raw_public_key, "Raw Public Key"},
});
static_assert(ordered(kCertEncodingNames));

constexpr auto kConfigTypeNames = std::to_array<Entry<ConfigType>>({
    {ConfigType::request, "CFG_REQUEST"},
    {ConfigType::reply, "CFG_REPLY"},
    {ConfigType::set, "CFG_SET"},
    {ConfigType::ack, "CFG_ACK"},
});
static_assert(ordered(kConfigTypeNames));

constexpr auto kConfigAttributeNames = std::to_array<Entry<ConfigAttribute>>({
    {ConfigAttribute::internal_ip4_address, "INTERNAL_IP4_ADDRESS"},
    {ConfigAttribute::internal_ip4_netmask, "INTERNAL_IP4_NETMASK"},
    {ConfigAttribute::internal_ip4_dns, "INTERNAL_IP4_DNS"},
    {ConfigAttribute::internal_ip4_nbns, "INTERNAL_IP4_NBNS"},
    {ConfigAttribute::internal_address_expiry, "INTERNAL_ADDRESS_EXPIRY"},
    {ConfigAttribute::internal_ip4_dhcp, "INTERNAL_IP4_DHCP"},
    {ConfigAttribute::application_version, "APPLICATION_VERSION"},
    {ConfigAttribute::internal_ip6_address, "INTERNAL_IP6_ADDRESS"},
    {ConfigAttribute::internal_ip6_nbns, "INTERNAL_IP6_NBNS"},
    {ConfigAttribute::internal_ip6_dns, "INTERNAL_IP6_DNS"},
    {ConfigAttribute::internal_ip6_dhcp, "INTERNAL_IP6_DHCP"},
    {ConfigAttribute::internal_ip4_subnet, "INTERNAL_IP4_SUBNET"},
    {ConfigAttribute::supported_attributes, "SUPPORTED_ATTRIBUTES"},
    {ConfigAttribute::internal_ip6_subnet, "INTERNAL_IP6_SUBNET"},
    {ConfigAttribute::mip6_home_prefix, "MIP6_HOME_PREFIX"},
    {ConfigAttribute::internal_ip6_link, "INTERNAL_IP6_LINK"},
    {ConfigAttribute::internal_ip6_prefix, "INTERNAL_IP6_PREFIX"},
    {ConfigAttribute::home_agent_address, "HOME_AGENT_ADDRESS"},
    {ConfigAttribute::p_cscf_ip4_address, "P_CSCF_IP4_ADDRESS"},
    {ConfigAttribute::p_cscf_ip6_address, "P_CSCF_IP6_ADDRESS"},
    {ConfigAttribute::ftt_kat, "FTT_KAT"},
    {ConfigAttribute::external_source_ip4_nat_info, "EXTERNAL_SOURCE_IP4_NAT_INFO"},
    {ConfigAttribute::timeout_period_for_liveness_check, "TIMEOUT_PERIOD_FOR_LIVENESS_CHECK"},
    {ConfigAttribute::internal_dns_domain, "INTERNAL_DNS_DOMAIN"},
    {ConfigAttribute::internal_dnssec_ta, "INTERNAL_DNSSEC_TA"},
    {ConfigAttribute::encdns_ip4, "ENCDNS_IP4"},
    {ConfigAttribute::encdns_ip6, "ENCDNS_IP6"},
    {ConfigAttribute::encdns_digest_info, "ENCDNS_DIGEST_INFO"},
});
static_assert(ordered(kConfigAttributeNames));

constexpr auto kTsTypeNames = std::to_array<Entry<TsType>>({
    {TsType::ipv4, "TS_IPV4_ADDR_RANGE"},
    {TsType::ipv6, "TS_IPV6_ADDR_RANGE"},
    {TsType::fc, "TS_FC_ADDR_RANGE"},
    {TsType::seclabel, "TS_SECLABEL"},
});
static_assert(ordered(kTsTypeNames));

}  // namespace

std::string_view name_of(ExchangeType type) { return lookup(kExchangeTypeNames, type); }
std::string_view name_of(PayloadType type) { return lookup(kPayloadTypeNames, type); }
std::string_view name_of(NotifyType type) { return lookup(kNotifyTypeNames, type); }
std::string_view name_of(ProtocolId protocol) { return lookup(kProtocolIdNames, protocol); }
std::string_view name_of(IdType type) { return lookup(kIdTypeNames, type); }
std::string_view name_of(AuthMethod method) { return lookup(kAuthMethodNames, method); }
std::string_view name_of(CertEncoding encoding) { return lookup(kCertEncodingNames, encoding); }
std::string_view name_of(ConfigType type) { return lookup(kConfigTypeNames, type); }
std::string_view name_of(ConfigAttribute attribute) {
  return lookup(kConfigAttributeNames, attribute);
}
std::string_view name_of(TsType type) { return lookup(kTsTypeNames, type); }

}  // namespace culvert::wire
