// News about revocations, on its way to a path that waits for it: what is to be fetched, in which
// order, and what came. Pure: whoever can fetch does so.
//
// For each certificate whose state is not known, its OCSP responders are asked; where that does not
// tell, its CRLs are fetched.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ike/action.h"
#include "pki/path.h"

namespace culvert {

// One thing to fetch: from the first of the URLs that gives it.
struct FetchRequest {
  enum class Kind : std::uint8_t { crl, ocsp };
  Kind kind = Kind::crl;
  std::vector<std::string> urls;
  Bytes body;  // OCSP: the request, sent by POST
};
// Answered by Shard::complete() within a deadline of the fetcher's.
struct FetchEvidence {
  JobId job;
  std::vector<FetchRequest> requests;
};
struct Fetched {
  Bytes octets;       // empty when it failed
  std::string url;    // that it came from, or that was tried last
  std::string error;  // "does not answer"
};
struct FetchedEvidence {
  std::vector<Fetched> answers;  // as the requests
};

// What one verification of a peer has gathered.
class EvidenceSearch {
 public:
  // What came by itself, in CERT payloads (RFC 7296, 3.6; RFC 4806). Not trusted yet; what does not
  // parse, or is too much, does not count.
  void add_crl(Provider& provider, ByteView der);
  void add_ocsp(Provider& provider, ByteView der);

  // What to fetch next for these needs; empty when everything has been tried.
  std::vector<FetchRequest> next(Provider& provider, std::span<const pki::RevocationNeed> needs);
  void take(Provider& provider, FetchedEvidence&& fetched, std::chrono::sys_seconds now);

  pki::Evidence evidence() const { return {.crls = crls_, .ocsp = ocsp_, .nonce = {}}; }
  // What went wrong on the way: "http://…: does not answer; …". Empty: nothing.
  const std::string& complaints() const { return complaints_; }

 private:
  enum class Stage : std::uint8_t { begun, asked_ocsp, asked_crl };
  void complain(const std::string& url, std::string_view what);
  void take_crl(Provider& provider, const pki::RevocationNeed& need, const Fetched& fetched);
  void take_ocsp(Provider& provider, const pki::RevocationNeed& need, const Fetched& fetched,
                 std::chrono::sys_seconds now);

  Stage stage_ = Stage::begun;
  std::vector<pki::RevocationNeed> asked_;  // for each request that is out
  std::vector<pki::CrlRef> crls_;
  std::vector<pki::OcspResponseRef> ocsp_;
  std::string complaints_;
};

}  // namespace culvert
