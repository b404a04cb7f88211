// Command handlers. None of them waits: what takes time answers through the Reply later.
#include "control/vici_commands.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/nearest.h"
#include "control/vici_load.h"
#include "control/vici_status.h"
#include "control/vici_values.h"

namespace culvert::vici {

namespace {

constexpr std::string_view kEvents[] = {
    "log",         "control-log",    "list-sa",    "list-policy",  "list-conn",
    "list-cert",   "list-authority", "ike-updown", "child-updown", "ike-rekey",
    "child-rekey", "ike-update",     "alert"};

// What an answer tells between `success` and `errmsg`.

Message outcome(const CommandDone& done, std::string_view what, Facts facts = {}) {
  if (done.success) return success(facts);
  return failure(
      done.explanation.empty() ? std::string(what) : fmt::format("{}: {}", what, done.explanation),
      facts);
}

std::string text_of(const Message& request, std::string_view key) {
  return std::string(request.get(key));
}

template <class Number>
Number number_of(const Message& request, std::string_view key, Number otherwise) {
  const auto text = request.get(key);
  Number value{};
  const auto* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  return parsed.ec == std::errc{} && parsed.ptr == end ? value : otherwise;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& known) {
  const auto near = nearest(name, known);
  return near.empty() ? std::string{} : fmt::format(" (did you mean {}?)", quoted(near));
}

// The secrets of vici clients must not replace those of the configuration file.
std::string secret_key(const std::string& id) { return "vici:" + id; }

// Arms the response for when the client's patience ends: 0 waits for ever, -1 not at all.
void limit_time(const Message& request, const ReplyRef& reply, std::string_view what) {
  const auto timeout = number_of<std::int64_t>(request, "timeout", 0);
  if (timeout < 0) reply->respond(success());
  if (timeout > 0)
    reply->respond_after(std::chrono::milliseconds(timeout),
                         failure(fmt::format("{} after {}ms", what, timeout)));
}

// Events of one connection, or of an SA, or of a child, for control-log.
Reply::Filter about(const std::string& connection, const std::string& child, std::uint64_t ike_id,
                    std::uint64_t child_id) {
  return [=](const trace::Event& event) {
    const auto& subject = event.subject;
    return (!connection.empty() && subject.connection == connection) ||
           (connection.empty() && !child.empty() && subject.child == child) ||
           (ike_id != 0 && subject.ike_unique_id == ike_id) ||
           (child_id != 0 && subject.child_unique_id == child_id);
  };
}

// A generator over a snapshot, for Reply::stream.
template <class T, class Make>
Reply::Next each(std::vector<T> items, Make make) {
  return [items = std::make_shared<std::vector<T>>(std::move(items)), at = std::size_t{0},
          make = std::move(make)]() mutable -> std::optional<Message> {
    while (at < items->size())
      if (auto message = make((*items)[at++])) return message;
    return std::nullopt;
  };
}

void add_counts(const control::CounterBook::Counts& counts, Section& to) {
  for (std::size_t i = 0; i < counts.size(); ++i)
    to.add(control::CounterBook::kNames[i], fmt::format("{}", counts[i]));
}

struct Target {
  std::string connection, child;
};

// Which connection and child a request names; the error is for errmsg.
std::expected<Target, std::string> find_target(const control::Backend& backend,
                                               const Message& request) {
  Target target{text_of(request, "ike"), text_of(request, "child")};
  if (target.connection.empty() && target.child.empty())
    return std::unexpected("missing configuration name");
  std::vector<std::string> names;
  bool connection_found = false;
  for (const auto& connection : backend.connections()) {
    if (!target.connection.empty() && connection->name != target.connection) {
      if (target.child.empty()) names.push_back(connection->name);
      continue;
    }
    connection_found = true;
    if (target.child.empty() || connection->child(target.child) != nullptr)
      return Target{connection->name, target.child};
    for (const auto& child : connection->children) names.push_back(child.name);
  }
  if (!target.connection.empty() && !connection_found)
    return std::unexpected(fmt::format("IKE_SA config {} not found{}", quoted(target.connection),
                                       did_you_mean(target.connection, names)));
  return std::unexpected(fmt::format("CHILD_SA config {} not found{}", quoted(target.child),
                                     did_you_mean(target.child, names)));
}

struct SaFilter {
  std::string ike;
  std::uint32_t ike_id = 0;
  ChildFilter child;
  explicit SaFilter(const Message& request)
      : ike(text_of(request, "ike")),
        ike_id(number_of<std::uint32_t>(request, "ike-id", 0)),
        child{text_of(request, "child"), number_of<std::uint32_t>(request, "child-id", 0)} {}
  bool by_child() const { return !child.name.empty() || child.unique_id != 0; }
  bool empty() const { return ike.empty() && ike_id == 0 && !by_child(); }
  bool fits(const IkeSaStatus& sa) const {
    return (ike.empty() || ike == sa.name) && (ike_id == 0 || ike_id == sa.unique_id);
  }
};

std::size_t count_matches(const std::vector<IkeSaStatus>& sas, const SaFilter& filter) {
  std::size_t count = 0;
  for (const auto& sa : sas) {
    if (!filter.fits(sa)) continue;
    count += filter.by_child() ? static_cast<std::size_t>(std::ranges::count_if(
                                     sa.children,
                                     [&](const auto& child) {
                                       // What is deleted already, and only receives what is under
                                       // way, is none.
                                       return child.state != "DELETED" && filter.child.fits(child);
                                     }))
                               : 1;
  }
  return count;
}

}  // namespace

Message success(Facts facts) {
  Message message;
  message.add("success", "yes");
  for (const auto& [name, value] : facts) message.add(name, value);
  return message;
}

Message failure(std::string text, Facts facts) {
  Message message;
  // A value holds 64 KiB; the end of a sentence that long helps nobody.
  text.resize(std::min<std::size_t>(text.size(), 8'192));
  message.add("success", "no");
  for (const auto& [name, value] : facts) message.add(name, value);
  message.add("errmsg", std::move(text));
  return message;
}

Commands::Commands(control::Backend& backend)
    : backend_(backend), started_(std::chrono::system_clock::now()) {}

const Commands::Row* Commands::find(std::string_view name) {
  static constexpr Row kRows[] = {
      {"version", &Commands::version},
      {"stats", &Commands::stats},
      {"get-algorithms", &Commands::get_algorithms},
      {"reload-settings", &Commands::reload_settings},
      {"load-conn", &Commands::load_conn},
      {"unload-conn", &Commands::unload_conn},
      {"get-conns", &Commands::get_conns},
      {"list-conns", &Commands::list_conns},
      {"load-shared", &Commands::load_shared_key},
      {"unload-shared", &Commands::unload_shared_key},
      {"get-shared", &Commands::get_shared},
      {"clear-creds", &Commands::clear_creds},
      {"initiate", &Commands::initiate},
      {"terminate", &Commands::terminate},
      {"install", &Commands::install},
      {"uninstall", &Commands::uninstall},
      {"list-sas", &Commands::list_sas},
      {"list-policies", &Commands::list_policies},
      {"why", &Commands::why},
      {"culvert-status", &Commands::culvert_status},
      {"get-keys", &Commands::get_keys},
      {"get-authorities", &Commands::get_authorities},
      {"get-pools", &Commands::get_pools},
      {"list-certs", &Commands::list_certs},
      {"list-authorities", &Commands::nothing},
      {"flush-certs", &Commands::succeed},
      {"load-cert", &Commands::load_cert},
      {"load-key", &Commands::load_key},
      {"load-token", &Commands::no_tokens},
      {"unload-key", &Commands::unload_key},
      {"load-authority", &Commands::load_authority},
      {"unload-authority", &Commands::no_tokens},
      {"load-pool", &Commands::load_pool},
      {"unload-pool", &Commands::unload_pool},
      {"rekey", &Commands::rekey},
      {"redirect", &Commands::no_redirect},
      {"get-counters", &Commands::get_counters},
      {"reset-counters", &Commands::reset_counters},
  };
  const auto* row = std::ranges::find(kRows, name, &Row::name);
  return row == std::end(kRows) ? nullptr : row;
}

bool Commands::run(const std::string& name, Message&& request, const ReplyRef& reply) {
  const auto* row = find(name);
  if (row == nullptr) return false;
  (this->*row->handler)(request, reply);
  return true;
}

bool Commands::is_event(std::string_view name) {
  return std::ranges::find(kEvents, name) != std::end(kEvents);
}

void Commands::version(Message&, const ReplyRef& reply) { reply->respond(version_response()); }

void Commands::stats(Message&, const ReplyRef& reply) {
  reply->respond(stats_response(backend_, started_));
}

void Commands::get_algorithms(Message&, const ReplyRef& reply) {
  reply->respond(algorithms_response(backend_.crypto()));
}

void Commands::reload_settings(Message&, const ReplyRef& reply) {
  auto reloaded = backend_.reload();
  if (!reloaded) return reply->respond(failure(reloaded.error()));
  auto answer = success();
  if (!reloaded->empty()) answer.add_list("changes", std::move(*reloaded));
  reply->respond(std::move(answer));
}

void Commands::load_conn(Message& request, const ReplyRef& reply) {
  auto loaded = load_connections(request);
  if (!loaded) return reply->respond(failure(loaded.error()));
  for (auto& connection : *loaded) {
    connections_.insert(connection.name);
    backend_.execute(
        LoadConnection{std::make_shared<const ConnectionConfig>(std::move(connection))}, {});
  }
  reply->respond(success());
}

void Commands::unload_conn(Message& request, const ReplyRef& reply) {
  const auto name = text_of(request, "name");
  if (name.empty()) return reply->respond(failure("unload: missing connection name"));
  if (connections_.erase(name) == 0) {
    if (backend_.connection(name))
      return reply->respond(failure(fmt::format(
          "unload: connection {} is in the configuration file; remove it there and reload",
          quoted(name))));
    const std::vector<std::string> known(connections_.begin(), connections_.end());
    return reply->respond(failure(
        fmt::format("unload: connection {} not found{}", quoted(name), did_you_mean(name, known))));
  }
  backend_.counter_book().forget(name);
  backend_.execute(UnloadConnection{{}, name}, [reply](const CommandDone& done) {
    reply->respond(outcome(done, "unloading the connection failed"));
  });
}

void Commands::get_conns(Message&, const ReplyRef& reply) {
  Message message;
  message.add_list("conns", List(connections_.begin(), connections_.end()));
  reply->respond(std::move(message));
}

void Commands::list_conns(Message& request, const ReplyRef& reply) {
  const auto wanted = text_of(request, "ike");
  reply->stream("list-conn",
                each(backend_.connections(), [wanted](const ConnectionRef& connection) {
                  return wanted.empty() || wanted == connection->name
                             ? std::optional(list_conn_event(*connection))
                             : std::nullopt;
                }));
}

void Commands::load_shared_key(Message& request, const ReplyRef& reply) {
  if (const auto type = request.get("type");
      equal_without_case(type, "eap") || equal_without_case(type, "ntlm"))
    return load_eap_users(request, reply);
  auto secret = load_shared(request);
  wipe(request);
  if (!secret) return reply->respond(failure(secret.error()));
  if (secret->id.empty()) secret->id = fmt::format("#{}", next_secret_++);
  secrets_.insert(secret->id);
  secret->id = secret_key(secret->id);
  backend_.execute(LoadSecret{std::move(*secret)}, {});
  reply->respond(success());
}

void Commands::unload_shared_key(Message& request, const ReplyRef& reply) {
  const auto id = text_of(request, "id");
  if (id.empty()) return reply->respond(failure("unload: missing unique identifier"));
  if (secrets_.erase(id) == 0)
    return reply->respond(failure(fmt::format("unload: shared key {} not found", quoted(id))));
  if (unload_eap_users(id)) return reply->respond(success());
  backend_.execute(UnloadSecret{{}, secret_key(id)}, [reply](const CommandDone& done) {
    reply->respond(outcome(done, "unloading the shared key failed"));
  });
}

void Commands::get_shared(Message&, const ReplyRef& reply) {
  Message message;
  message.add_list("keys", List(secrets_.begin(), secrets_.end()));
  reply->respond(std::move(message));
}

void Commands::clear_creds(Message&, const ReplyRef& reply) {
  for (const auto& id : secrets_)
    if (!unload_eap_users(id))
      backend_.execute(UnloadSecret{{}, secret_key(id)}, [](const CommandDone&) {});
  secrets_.clear();
  clear_certificates();
  reply->respond(success());
}

void Commands::initiate(Message& request, const ReplyRef& reply) {
  const auto target = find_target(backend_, request);
  if (!target) return reply->respond(failure(target.error()));
  const auto what = target->child.empty() ? fmt::format("IKE_SA {}", quoted(target->connection))
                                          : fmt::format("CHILD_SA {}", quoted(target->child));
  reply->follow_log(about(target->connection, {}, 0, 0),
                    number_of<unsigned>(request, "loglevel", 1));
  limit_time(request, reply, what + " not established");
  backend_.execute(Initiate{{}, target->connection, target->child},
                   [reply, what](const CommandDone& done) {
                     reply->respond(outcome(done, fmt::format("establishing {} failed", what)));
                   });
}

void Commands::terminate(Message& request, const ReplyRef& reply) {
  const SaFilter filter(request);
  if (filter.empty()) return reply->respond(failure("missing terminate selector"));
  const auto matches = fmt::format("{}", count_matches(backend_.list_sas(), filter));
  if (matches == "0")
    return reply->respond(
        failure("no matching SAs to terminate found", {{"matches", "0"}, {"terminated", "0"}}));
  reply->follow_log(about(filter.ike, filter.child.name, filter.ike_id, filter.child.unique_id),
                    number_of<unsigned>(request, "loglevel", 1));
  limit_time(request, reply, "SAs not terminated");
  const bool force = parse_bool(request.get("force")).value_or(false);
  backend_.execute(
      Terminate{{}, filter.ike, filter.child.name, filter.ike_id, filter.child.unique_id, force},
      [reply, matches](const CommandDone& done) {
        reply->respond(
            outcome(done, "terminating SA failed",
                    {{"matches", matches}, {"terminated", done.success ? matches : "0"}}));
      });
}

void Commands::rekey(Message& request, const ReplyRef& reply) {
  const SaFilter filter(request);
  if (filter.empty()) return reply->respond(failure("missing rekey selector"));
  const auto matches = fmt::format("{}", count_matches(backend_.list_sas(), filter));
  if (matches == "0")
    return reply->respond(failure("no matching SAs to rekey found", {{"matches", "0"}}));
  const bool reauthenticate = parse_bool(request.get("reauth")).value_or(false);
  backend_.execute(
      Rekey{
          {}, filter.ike, filter.child.name, filter.ike_id, filter.child.unique_id, reauthenticate},
      [reply, matches](const CommandDone& done) {
        reply->respond(outcome(done, "rekeying failed", {{"matches", matches}}));
      });
}

void Commands::install(Message& request, const ReplyRef& reply) {
  if (text_of(request, "child").empty())
    return reply->respond(failure("missing configuration name"));
  const auto target = find_target(backend_, request);
  if (!target) return reply->respond(failure(target.error()));
  backend_.execute(
      InstallTrap{{}, target->connection, target->child},
      [reply, child = target->child](const CommandDone& done) {
        reply->respond(outcome(done, fmt::format("installing policy {} failed", quoted(child))));
      });
}

void Commands::uninstall(Message& request, const ReplyRef& reply) {
  const auto child = text_of(request, "child");
  if (child.empty()) return reply->respond(failure("missing configuration name"));
  // Not find_target(): a policy outlives the configuration that it came from.
  backend_.execute(
      UninstallTrap{{}, text_of(request, "ike"), child}, [reply, child](const CommandDone& done) {
        reply->respond(outcome(done, fmt::format("uninstalling policy {} failed", quoted(child))));
      });
}

void Commands::list_sas(Message& request, const ReplyRef& reply) {
  auto make = [this, filter = SaFilter(request)](const IkeSaStatus& sa) -> std::optional<Message> {
    if (!filter.fits(sa)) return std::nullopt;
    return list_sa_event(sa, filter.child, backend_.now(),
                         [this](SaPairId pair) { return backend_.counters(pair); });
  };
  reply->stream("list-sa", each(backend_.list_sas(), std::move(make)));
}

void Commands::list_policies(Message& request, const ReplyRef& reply) {
  const bool drop = request.find("drop") != nullptr, pass = request.find("pass") != nullptr,
             trap = request.find("trap") != nullptr;
  auto make = [=, child = text_of(request, "child"), ike = text_of(request, "ike")](
                  const PolicyStatus& policy) -> std::optional<Message> {
    const bool kind = policy.mode == Mode::drop   ? drop
                      : policy.mode == Mode::pass ? pass
                                                  : trap && policy.trap;
    if (!kind || (!child.empty() && child != policy.child) ||
        (!ike.empty() && ike != policy.connection))
      return std::nullopt;
    return list_policy_event(policy);
  };
  reply->stream("list-policy", each(backend_.list_policies(), std::move(make)));
}

// Culvert's own: why did this connection fail last? Without a name: why was a peer refused that
// could not be told to belong to any connection?
void Commands::why(Message& request, const ReplyRef& reply) {
  const auto name = text_of(request, "connection");
  if (!name.empty() && !backend_.connection(name)) {
    std::vector<std::string> known;
    for (const auto& connection : backend_.connections()) known.push_back(connection->name);
    return reply->respond(failure(
        fmt::format("connection {} is not loaded{}", quoted(name), did_you_mean(name, known))));
  }
  auto answer = success();
  answer.add("connection", name);
  const auto last = backend_.last_failure(name);
  answer.add("failed", last ? "yes" : "no");
  if (last) {
    const auto ago = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::system_clock::now() - last->when);
    answer.add("event", last->event).add("text", last->text);
    if (!last->child.empty()) answer.add("child", last->child);
    answer
        .add("time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                                 fmt::gmtime(std::chrono::system_clock::to_time_t(last->when))))
        .add("ago", fmt::format("{}", ago.count()));
  }
  reply->respond(std::move(answer));
}

// Culvert's own: the data plane's facts, and how often each event happened.
void Commands::culvert_status(Message&, const ReplyRef& reply) {
  Message message;
  message.add_list("data-plane", backend_.describe_data_plane());
  auto& events = message.add_section("events");
  for (const auto& [name, count] : backend_.event_counts())
    if (count != 0) events.add(name, fmt::format("{}", count));
  reply->respond(std::move(message));
}

void Commands::nothing(Message&, const ReplyRef& reply) { reply->respond({}); }

void Commands::succeed(Message&, const ReplyRef& reply) { reply->respond(success()); }

void Commands::no_tokens(Message& request, const ReplyRef& reply) {
  wipe(request);
  reply->respond(failure("tokens, and unloading authorities, are not supported by Culvert yet"));
}

void Commands::no_redirect(Message&, const ReplyRef& reply) {
  reply->respond(failure("redirecting is not supported by Culvert"));
}

// With `all` those of each connection, with `name` of one, else those of the daemon, whose section
// has no name.
void Commands::get_counters(Message& request, const ReplyRef& reply) {
  const auto& book = backend_.counter_book();
  const auto name = text_of(request, "name");
  Message answer;
  auto& counters = answer.add_section("counters");
  if (parse_bool(request.get("all")).value_or(false)) {
    for (const auto& [connection, counts] : book.by_connection())
      add_counts(counts, counters.add_section(connection));
  } else if (name.empty()) {
    add_counts(book.total(), counters.add_section(""));
  } else if (const auto* counts = book.find(name)) {
    add_counts(*counts, counters.add_section(name));
  } else {
    answer.add("success", "no").add("errmsg", "no counters found for this connection");
    return reply->respond(std::move(answer));
  }
  answer.add("success", "yes");
  reply->respond(std::move(answer));
}

void Commands::reset_counters(Message& request, const ReplyRef& reply) {
  auto& book = backend_.counter_book();
  const auto name = text_of(request, "name");
  if (parse_bool(request.get("all")).value_or(false))
    book.reset_connections();
  else if (name.empty())
    book.reset();
  else
    book.forget(name);
  reply->respond(success());
}

}  // namespace culvert::vici
