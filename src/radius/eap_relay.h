// Carries the EAP of one login between a peer and a RADIUS server (RFC 3579): EAP packets of the
// peer become Access-Requests, answers of the server EAP packets for the peer, until the server
// accepts or rejects. The caller sends the requests through a Client.
#pragma once

#include <string>
#include <variant>

#include "radius/authorization.h"
#include "radius/client.h"
#include "radius/nas.h"

namespace culvert::radius {

class EapRelay {
 public:
  EapRelay(Nas nas, Port port) : nas_(std::move(nas)), port_(std::move(port)) {}

  // The request that carries this packet of the peer's: first its EAP-Response/Identity, whose
  // identity is the User-Name. Fails with bad_value or truncated when it is no EAP response, with
  // too_large when it does not fit into a request or the name into an attribute, and with exhausted
  // when the login goes on for more than limits::kMaxEapRounds.
  Result<Request> request(ByteView eap_response);

  // What the server's answer means.
  struct Challenge {
    Bytes eap;  // a request for the peer
  };
  struct Accepted {
    Bytes eap;        // EAP-Success; made by us where the server sent none
    SecretBytes msk;  // of eap::kMskSize octets; empty: the method makes none
    Authorization authorization;
  };
  struct Rejected {
    Bytes eap;  // EAP-Failure
    std::string reply_message;
  };
  // The answer is authentic, but the login cannot go on with it.
  struct Broken {
    std::string why;  // a sentence
  };
  using Outcome = std::variant<Challenge, Accepted, Rejected, Broken>;
  Outcome take(Provider& provider, const Server& server, const Answered& answered);

  const std::string& user_name() const { return user_name_; }

 private:
  Outcome challenge(const Server& server, const Answered& answered);
  Outcome accept(Provider& provider, const Server& server, const Answered& answered) const;

  Nas nas_;
  Port port_;
  std::string user_name_;
  Bytes state_;
  std::optional<std::uint32_t> server_;  // that has answered, and knows the conversation
  std::uint8_t identifier_ = 0;          // of the peer's last packet
  std::size_t rounds_ = 0;
};

}  // namespace culvert::radius
