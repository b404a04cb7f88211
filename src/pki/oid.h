// Contents octets of the OBJECT IDENTIFIERs that certificates, CRLs and OCSP use.
#pragma once

#include <string_view>

namespace culvert::pki::oid {

using std::string_view_literals::operator""sv;

// id-ce: RFC 5280, 4.2.1
inline constexpr auto kSubjectKeyIdentifier = "\x55\x1d\x0e"sv;
inline constexpr auto kKeyUsage = "\x55\x1d\x0f"sv;
inline constexpr auto kSubjectAltName = "\x55\x1d\x11"sv;
inline constexpr auto kBasicConstraints = "\x55\x1d\x13"sv;
inline constexpr auto kCrlNumber = "\x55\x1d\x14"sv;
inline constexpr auto kReasonCode = "\x55\x1d\x15"sv;
inline constexpr auto kInvalidityDate = "\x55\x1d\x18"sv;
inline constexpr auto kDeltaCrlIndicator = "\x55\x1d\x1b"sv;
inline constexpr auto kIssuingDistributionPoint = "\x55\x1d\x1c"sv;
inline constexpr auto kNameConstraints = "\x55\x1d\x1e"sv;
inline constexpr auto kCrlDistributionPoints = "\x55\x1d\x1f"sv;
inline constexpr auto kCertificatePolicies = "\x55\x1d\x20"sv;
inline constexpr auto kAuthorityKeyIdentifier = "\x55\x1d\x23"sv;
inline constexpr auto kExtendedKeyUsage = "\x55\x1d\x25"sv;
// id-pe: RFC 5280, 4.2.2; id-ad
inline constexpr auto kAuthorityInfoAccess = "\x2b\x06\x01\x05\x05\x07\x01\x01"sv;
inline constexpr auto kOcsp = "\x2b\x06\x01\x05\x05\x07\x30\x01"sv;
// RFC 6960, 4
inline constexpr auto kOcspBasic = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"sv;
inline constexpr auto kOcspNonce = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"sv;
inline constexpr auto kOcspNoCheck = "\x2b\x06\x01\x05\x05\x07\x30\x01\x05"sv;
// id-kp: RFC 5280, 4.2.1.12; RFC 4945, 5.1.3.12; Microsoft's
inline constexpr auto kServerAuth = "\x2b\x06\x01\x05\x05\x07\x03\x01"sv;
inline constexpr auto kClientAuth = "\x2b\x06\x01\x05\x05\x07\x03\x02"sv;
inline constexpr auto kOcspSigning = "\x2b\x06\x01\x05\x05\x07\x03\x09"sv;
inline constexpr auto kIkeIntermediate = "\x2b\x06\x01\x05\x05\x08\x02\x02"sv;
inline constexpr auto kSmartcardLogon = "\x2b\x06\x01\x04\x01\x82\x37\x14\x02\x02"sv;
// PKCS#9: RFC 2985, 5.4
inline constexpr auto kChallengePassword = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07"sv;
inline constexpr auto kExtensionRequest = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"sv;

}  // namespace culvert::pki::oid
