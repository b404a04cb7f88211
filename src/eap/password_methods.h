// The methods that rest on a password: MD5-Challenge (RFC 3748, 5.4), Generic Token Card (5.6) and
// MSCHAPv2 (RFC 2759 in EAP, as Microsoft does it).
#pragma once

#include <chrono>
#include <memory>

#include "crypto/provider.h"
#include "eap/method.h"
#include "eap/user_store.h"

namespace culvert::eap {

// What a server checks passwords with. Both references outlive the conversation; users may change
// while it runs.
struct PasswordServer {
  Provider& provider;
  const UserStore& users;
  std::chrono::sys_seconds now;
};
// MSCHAPv2 and MD5 need a clear password or (MSCHAPv2) its NT hash; GTC takes any form.
std::unique_ptr<Method> make_md5_server(const PasswordServer& server, const std::string& user);
std::unique_ptr<Method> make_gtc_server(const PasswordServer& server, const std::string& user);
inline constexpr unsigned kMschapv2Retries = 2;  // as strongSwan's
std::unique_ptr<Method> make_mschapv2_server(const PasswordServer& server, const std::string& user,
                                             unsigned retries = kMschapv2Retries);

// GTC shows the password to whoever asks: offer it only where the server is known by other means
// first, and never where a method that hides it would do.
std::unique_ptr<Method> make_md5_peer(Provider& provider, const std::string& user,
                                      Password password);
std::unique_ptr<Method> make_gtc_peer(Password password);
std::unique_ptr<Method> make_mschapv2_peer(Provider& provider, const std::string& user,
                                           Password password);

// One of the above by its type; nullopt for a type that is none of them. What `server` and
// `password` refer to outlives the offer; `user` is who the peer is to the method (which may be
// another name than its EAP identity).
std::optional<Offer> offer_password_server(Type type, const PasswordServer& server);
std::optional<Offer> offer_password_peer(Type type, Provider& provider, const std::string& user,
                                         const Password& password);

}  // namespace culvert::eap
