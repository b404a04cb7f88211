// The commands of the control socket: what each asks of the backend and how it is answered.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "control/backend.h"
#include "control/vici_message.h"
#include "trace/event.h"

namespace culvert::vici {

// Where the answer to one command goes. Everything after the first response is ignored, so that
// late results and timeouts need no further care; so is everything once the client has gone.
class Reply {
 public:
  using Next = std::function<std::optional<Message>()>;
  using Filter = std::function<bool(const trace::Event&)>;
  virtual ~Reply() = default;

  virtual void respond(Message&& message) = 0;
  // Sends events of this name as fast as the client reads them, then an empty response.
  virtual void stream(std::string_view event, Next next) = 0;
  // Responds with `message` unless there was a response before the time is over.
  virtual void respond_after(std::chrono::milliseconds delay, Message&& message) = 0;
  // Until the response, sends what passes the filter, up to `level`, as control-log events.
  virtual void follow_log(Filter filter, unsigned level) = 0;
};
using ReplyRef = std::shared_ptr<Reply>;

// Zeroises the values of a request that carries secrets.
void wipe(Message& request);
// Answers: "success" and what else there is to say; why not, in `errmsg`.
using Facts = std::initializer_list<std::pair<std::string_view, std::string>>;
Message success(Facts facts = {});
Message failure(std::string text, Facts facts = {});

class Commands {
 public:
  explicit Commands(control::Backend& backend);

  // False when there is no such command. Secrets in the request are zeroised.
  bool run(const std::string& name, Message&& request, const ReplyRef& reply);
  static bool is_event(std::string_view name);

 private:
  using Handler = void (Commands::*)(Message&, const ReplyRef&);
  struct Row {
    std::string_view name;
    Handler handler;
  };
  static const Row* find(std::string_view name);

  void version(Message&, const ReplyRef&);
  void stats(Message&, const ReplyRef&);
  void get_algorithms(Message&, const ReplyRef&);
  void reload_settings(Message&, const ReplyRef&);

  void load_conn(Message&, const ReplyRef&);
  void unload_conn(Message&, const ReplyRef&);
  void get_conns(Message&, const ReplyRef&);
  void list_conns(Message&, const ReplyRef&);

  void load_shared_key(Message&, const ReplyRef&);
  void unload_shared_key(Message&, const ReplyRef&);
  void get_shared(Message&, const ReplyRef&);
  void clear_creds(Message&, const ReplyRef&);

  void initiate(Message&, const ReplyRef&);
  void terminate(Message&, const ReplyRef&);
  void install(Message&, const ReplyRef&);
  void uninstall(Message&, const ReplyRef&);
  void rekey(Message&, const ReplyRef&);
  void list_sas(Message&, const ReplyRef&);
  void list_policies(Message&, const ReplyRef&);

  void why(Message&, const ReplyRef&);
  void culvert_status(Message&, const ReplyRef&);

  // vici_credentials.cc
  void load_cert(Message&, const ReplyRef&);
  void load_authority(Message&, const ReplyRef&);
  void load_key(Message&, const ReplyRef&);
  void unload_key(Message&, const ReplyRef&);
  void get_keys(Message&, const ReplyRef&);
  void get_authorities(Message&, const ReplyRef&);
  void list_certs(Message&, const ReplyRef&);
  void load_eap_users(Message&, const ReplyRef&);
  bool unload_eap_users(const std::string& id);
  std::expected<void, std::string> add_certificates(const std::string& file, bool is_ca);
  void clear_certificates();

  // vici_pools.cc
  void load_pool(Message&, const ReplyRef&);
  void unload_pool(Message&, const ReplyRef&);
  void get_pools(Message&, const ReplyRef&);

  void nothing(Message&, const ReplyRef&);
  void succeed(Message&, const ReplyRef&);
  void no_tokens(Message&, const ReplyRef&);
  void no_redirect(Message&, const ReplyRef&);
  void get_counters(Message&, const ReplyRef&);
  void reset_counters(Message&, const ReplyRef&);

  control::Backend& backend_;
  std::chrono::system_clock::time_point started_;
  // What came over vici, as opposed to the configuration file: charon shows and unloads only that.
  std::set<std::string> connections_;
  std::set<std::string> secrets_;
  std::set<std::string> pools_;
  std::map<std::string, std::vector<std::string>> users_;  // names by the secret's id
  struct Listed {
    pki::CertificateRef certificate;
    bool is_ca = false;
  };
  std::map<pki::Fingerprint, Listed> listed_certificates_;
  std::set<KeyId> keys_;
  std::set<std::string> authorities_;
  std::uint64_t next_secret_ = 1;
};

}  // namespace culvert::vici
