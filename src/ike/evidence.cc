// Invariant: nothing here is believed; the path's check verifies it. Each source is asked once.
#include "ike/evidence.h"

#include <fmt/format.h>

#include "base/limits.h"

namespace culvert {
namespace {

constexpr std::size_t kMaxUnasked = 8;  // of each kind, in CERT payloads

std::string_view complaint_about(const Error& error) {
  switch (error.reason) {
    case Reason::refused:
      return "its answer is not signed by the CA, nor by a responder of that CA";
    case Reason::bad_integrity:
      return "the signature of what it gave does not fit";
    default:
      return "what it gave is not for this CA";
  }
}

}  // namespace

void EvidenceSearch::add_crl(Provider& provider, ByteView der) {
  if (crls_.size() == kMaxUnasked) return;
  if (auto crl = pki::parse_crl(provider, der)) crls_.push_back(std::move(*crl));
}

void EvidenceSearch::add_ocsp(Provider& provider, ByteView der) {
  if (ocsp_.size() == kMaxUnasked) return;
  if (auto response = pki::parse_ocsp_response(provider, der))
    ocsp_.push_back(std::move(*response));
}

std::vector<FetchRequest> EvidenceSearch::next(Provider& provider,
                                               std::span<const pki::RevocationNeed> needs) {
  std::vector<FetchRequest> requests;
  asked_.clear();
  while (requests.empty() && stage_ != Stage::asked_crl) {
    const bool ocsp = stage_ == Stage::begun;
    stage_ = ocsp ? Stage::asked_ocsp : Stage::asked_crl;
    for (const pki::RevocationNeed& need : needs) {
      FetchRequest request{ocsp ? FetchRequest::Kind::ocsp : FetchRequest::Kind::crl,
                           ocsp ? need.ocsp_urls : need.crl_urls,
                           {}};
      if (request.urls.empty()) continue;
      if (ocsp) {
        // RFC 5019, 2.1.1: no nonce, so that one answer serves everybody who waits for it.
        auto body = pki::make_ocsp_request(provider, *need.certificate, *need.issuer, {});
        if (!body) continue;
        request.body = std::move(*body);
      }
      requests.push_back(std::move(request));
      asked_.push_back(need);
    }
  }
  return requests;
}

void EvidenceSearch::take(Provider& provider, FetchedEvidence&& fetched,
                          std::chrono::sys_seconds now) {
  for (std::size_t i = 0; i < std::min(asked_.size(), fetched.answers.size()); ++i) {
    const Fetched& answer = fetched.answers[i];
    if (answer.octets.empty())
      complain(answer.url, answer.error);
    else if (stage_ == Stage::asked_ocsp)
      take_ocsp(provider, asked_[i], answer, now);
    else
      take_crl(provider, asked_[i], answer);
  }
  asked_.clear();
}

void EvidenceSearch::take_crl(Provider& provider, const pki::RevocationNeed& need,
                              const Fetched& fetched) {
  auto crl = pki::parse_crl(provider, fetched.octets);
  if (!crl) return complain(fetched.url, "what it gave is no CRL that can be used");
  if (const auto verified = pki::verify(provider, **crl, *need.issuer); !verified)
    return complain(fetched.url, complaint_about(verified.error()));
  crls_.push_back(std::move(*crl));
}

void EvidenceSearch::take_ocsp(Provider& provider, const pki::RevocationNeed& need,
                               const Fetched& fetched, std::chrono::sys_seconds now) {
  auto response = pki::parse_ocsp_response(provider, fetched.octets);
  if (!response && response.error().reason == Reason::refused)
    return complain(fetched.url,
                    fmt::format("it answers {}", pki::ocsp_status_text(response.error().offset)));
  if (!response) return complain(fetched.url, "what it gave is no OCSP response");
  if (const auto verified = pki::verify(provider, **response, *need.issuer, now, {}); !verified)
    return complain(fetched.url, complaint_about(verified.error()));
  ocsp_.push_back(std::move(*response));
}

void EvidenceSearch::complain(const std::string& url, std::string_view what) {
  complaints_ += fmt::format("{}{}: {}", complaints_.empty() ? "" : "; ", url, what);
}

}  // namespace culvert
