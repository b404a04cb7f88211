// The control thread.
// Invariant: after every input the shard is drained, each output carried out before the next is
// asked for, and the timer stands at the shard's next deadline.
#include "daemon/daemon.h"

#include <fmt/format.h>

#include <csignal>

#include "crypto/openssl_provider.h"
#include "daemon/data_plane_choice.h"
#include "daemon/difference.h"
#include "esp/userspace_plane.h"
#include "io/paths.h"
#include "trace/render.h"

namespace culvert {

namespace {

constexpr Duration kShutdownTime = std::chrono::seconds(2);
// When all SAs are gone, their updown programs may take so long to end.
constexpr Duration kLastHooksTime = std::chrono::seconds(10);
// And their accounting records, until servers have acknowledged them.
constexpr Duration kLastRecordsTime = std::chrono::seconds(3);
constexpr Duration kDateCheck = std::chrono::seconds(10);
constexpr Duration kIdleCheck = std::chrono::milliseconds(20);
// So many outputs are carried out before other work of the loop gets its turn.
constexpr std::size_t kMaxOutputsPerTurn = 4'096;

// Whose addresses and changes are nobody's business.
std::vector<std::string> own_devices(const config::Loaded& loaded) {
  std::vector<std::string> names{loaded.settings.device};
  for (const auto& interface : loaded.interfaces) names.push_back(interface.name);
  return names;
}

ShardOptions shard_options(const config::DaemonSettings& settings, bool prefer_udp_encap) {
  ShardOptions options;
  options.ike_port = settings.ike_port;
  options.nat_t_port = settings.nat_t_port;
  options.prefer_udp_encap = prefer_udp_encap;
  options.check_pfs = true;
  options.nat_keepalive = settings.nat_keepalive;
  options.retransmit.timeout = settings.retransmit_timeout;
  options.retransmit.base = settings.retransmit_base;
  options.retransmit.tries = settings.retransmit_tries;
  options.max_half_open = settings.max_half_open;
  options.cookie_threshold = settings.cookie_threshold;
  options.fragment_size = settings.fragment_size;
  // vici clients want to see messages whatever the level of the log is.
  options.verbose_messages = true;
  return options;
}

io::Resolver::Options resolver_options() {
  io::Resolver::Options options;
  options.mark = esp::PlaneOptions{}.mark;
  return options;
}

io::Fetcher::Options fetcher_options() {
  io::Fetcher::Options options;
  options.mark = esp::PlaneOptions{}.mark;
  return options;
}

std::string joined(const std::vector<config::Diagnostic>& diagnostics) {
  std::string text;
  for (const auto& diagnostic : diagnostics)
    text += (text.empty() ? "" : "\n") + diagnostic.to_string();
  return text;
}

}  // namespace

Daemon::Daemon(DaemonOptions options, config::Loaded loaded, EventLog& log, StateLock lock,
               signer::Socket signer)
    : options_(std::move(options)),
      loaded_(std::move(loaded)),
      log_(log),
      lock_(std::move(lock)),
      signals_(loop_.context(), SIGTERM, SIGINT, SIGHUP),
      provider_(make_openssl_provider()),
      signer_(loop_, std::move(signer)),
      mailbox_(loop_, [this](const Datagram& datagram) { on_datagram(datagram); }),
      resolver_(loop_, resolver_options()),
      fetcher_(loop_, fetcher_options()),
      aaa_(loop_, *provider_, aaa_handlers()),
      aaa_sessions_(loop_, *provider_, session_handlers()),
      timer_(loop_, [this] { drain(); }),
      date_timer_(loop_, [this] { tell_date(); }),
      server_(loop_.context(), *this,
              [this](trace::Level level, const std::string& text) { log_.write(level, text); }),
      hooks_(loop_, [this](trace::Event&& event) { report(std::move(event)); }),
      gateway_(loop_, options_.state_dir + "/gateway", gateway_table(loaded_.settings.device),
               [this](trace::Event&& event) { report(std::move(event)); }),
      stop_(loop_, [this] { stop_when_idle(); }) {}

Daemon::~Daemon() {
  server_.close();
  notices_.reset();
  network_.reset();
  addresses_.reset();  // its device may be the plane's
  plane_.reset();      // its workers must not find a mailbox that has gone
}

std::expected<std::unique_ptr<Daemon>, std::string> Daemon::start(DaemonOptions options,
                                                                  config::Loaded loaded,
                                                                  EventLog& log,
                                                                  signer::Socket signer) {
  auto lock = StateLock::acquire(options.state_dir);
  if (!lock) return std::unexpected(lock.error());
  std::unique_ptr<Daemon> daemon(
      new Daemon(std::move(options), std::move(loaded), log, std::move(*lock), std::move(signer)));
  auto numbers = SequenceNumbers::open(daemon->options_.state_dir);
  if (!numbers) return std::unexpected(numbers.error());
  daemon->sequence_numbers_ = std::move(*numbers);
  if (auto listening = daemon->server_.listen(daemon->options_.vici); !listening)
    return std::unexpected(listening.error());
  if (auto started = daemon->start_plane(); !started) return std::unexpected(started.error());
  daemon->await_signal();
  daemon->tell_date();
  if (auto known = daemon->load_credentials(daemon->loaded_); !known)
    return std::unexpected(known.error());
  daemon->load_users(daemon->loaded_);
  daemon->configure_aaa(daemon->loaded_.radius);
  daemon->load_everything();
  return daemon;
}

std::expected<void, std::string> Daemon::start_plane() {
  auto chosen = choose_data_plane(loaded_.settings,
                                  [this](const Datagram& datagram) { mailbox_.push(datagram); });
  if (!chosen) return std::unexpected(chosen.error());
  plane_ = std::move(chosen->plane);
  plane_choice_ = std::move(chosen->choice);
  if (auto made = plane_->set_interfaces(loaded_.interfaces); !made) return made;
  addresses_ = std::make_unique<Addresses>(
      loop_, options_.state_dir, plane_->address_device(),
      [this](const std::string& sentence) { log_.write(trace::Level::warning, sentence); });
  notices_ =
      std::make_unique<io::ReadableWatch>(loop_, plane_->notice_fd(), [this] { on_notices(); });
  shard_ = std::make_unique<Shard>(shard_options(loaded_.settings, plane_->prefers_udp_encap()),
                                   *provider_);
  network_ = std::make_unique<io::NetworkWatch>(
      loop_, io::NetworkWatch::Options{own_devices(loaded_), esp::PlaneOptions{}.route_table},
      [this](const std::vector<IpAddress>& addresses) {
        execute(NetworkChanged{addresses_->without_assigned(addresses)}, {});
      });
  if (const auto watching = network_->start(); !watching) return watching;
  log_.write(trace::Level::info,
             fmt::format("data plane: {}", fmt::join(describe_data_plane(), "; ")));
  return {};
}

void Daemon::load_everything() {
  serve_as_gateway(loaded_.gateway);
  apply(compare({}, loaded_));
  log_.write(trace::Level::info,
             fmt::format("ready: {} connection{} from {}", loaded_.connections.size(),
                         loaded_.connections.size() == 1 ? "" : "s",
                         options_.config.empty() ? "no file, waiting for vici" : options_.config));
}

void Daemon::serve_as_gateway(const std::vector<config::GatewayRule>& rules) {
  const std::string device = plane_->address_device();  // the userspace plane's own
  gateway_.apply({rules, device == loaded_.settings.device ? device : std::string()});
}

void Daemon::report(trace::Event&& event) {
  own_events_.count(event);
  carry_out(std::move(event));
}

void Daemon::run() { loop_.run(); }

// ---- inputs ----

void Daemon::execute(Command&& command, Done done) {
  const CommandId id{next_command_++};
  const bool answered = std::visit(
      [id](auto& one) {
        if constexpr (requires { one.id; }) one.id = id;
        return requires { one.id; };
      },
      command);
  if (answered && done) pending_[id] = std::move(done);
  shard_->command(std::move(command), now());
  drain();
}

void Daemon::on_datagram(const Datagram& datagram) {
  shard_->receive(datagram, now());
  drain();
}

void Daemon::on_notices() {
  for (const auto& notice : plane_->take_notices()) shard_->notice(notice, now());
  drain();
}

void Daemon::await_signal() {
  signals_.async_wait([this](const asio::error_code& error, int number) {
    if (error) return;
    on_signal(number);
    await_signal();
  });
}

// The clock may be set at any time.
void Daemon::tell_date() {
  execute(SetDate{std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now())}, {});
  date_timer_.set(now() + kDateCheck);
}

void Daemon::on_signal(int number) {
  if (number == SIGHUP) {
    if (const auto reloaded = reload(); !reloaded)
      log_.write(trace::Level::error, "nothing was reloaded:\n" + reloaded.error());
    return;
  }
  if (stopping_) return loop_.stop();  // a second time: at once
  stopping_ = true;
  log_.write(trace::Level::info, "stopping: deleting SAs");
  execute(Shutdown{{}, now() + kShutdownTime}, [this](const CommandDone&) {
    // Not from within drain(): the last messages are still to be sent.
    stop_by_ = now() + kLastHooksTime;
    account_by_ = now() + kLastRecordsTime;
    aaa_sessions_.stop();
    serve_as_gateway({});
    stop_.set(now());
  });
}

void Daemon::stop_when_idle() {
  const bool accounted = aaa_sessions_.idle() || now() >= account_by_;
  if ((hooks_.idle() && gateway_.idle() && accounted) || now() >= stop_by_) return loop_.stop();
  stop_.set(now() + kIdleCheck);
}

// ---- outputs ----

void Daemon::drain() {
  if (draining_) return;  // a callback below gave a command; the loop below sees its outputs
  draining_ = true;
  TimePoint deadline = now();
  for (std::size_t i = 0; i < kMaxOutputsPerTurn; ++i) {
    Output output = shard_->poll(now());
    if (const auto* wait = std::get_if<WaitUntil>(&output)) {
      deadline = wait->deadline;
      break;
    }
    std::visit(
        [this](auto& one) {
          using Kind = std::remove_cvref_t<decltype(one)>;
          if constexpr (!std::is_same_v<Kind, WaitUntil>) carry_out(std::move(one));
        },
        output);
  }
  draining_ = false;
  timer_.set(deadline);
  if (const auto refused = rate_.take_refused(); refused != 0)
    log_.write(trace::Level::warning,
               fmt::format("{} more events without a connection are not shown", refused));
}

void Daemon::carry_out(Transmit&& output) {
  plane_->send_ike({output.local, output.remote, output.payload});
}

void Daemon::carry_out(SadOp&& output) {
  SadRefusal refusal;
  if (const auto* erase = std::get_if<DeleteSa>(&output)) aaa_sessions_.deleting(*erase);
  std::visit(
      [&](const auto& operation) {
        if constexpr (requires { operation.pair; }) refusal.pair = operation.pair;
        if constexpr (requires { operation.policy; }) refusal.policy = operation.policy;
      },
      output);
  const auto applied = plane_->apply(std::move(output));
  if (applied) return;
  refusal.why = plane_->refusal();
  if (refusal.why.empty())
    refusal.why =
        fmt::format("the data plane refused it: {}", trace::name_of(applied.error().reason));
  shard_->refused(std::move(refusal), now());
}

void Daemon::carry_out(trace::Event&& output) {
  failures_.record(output, std::chrono::system_clock::now());
  counter_book_.record(output);
  if (!rate_.admit(output, std::chrono::steady_clock::now())) return;
  log_.write(output);
  server_.publish(output);
}

void Daemon::carry_out(CommandDone&& output) {
  const auto waiting = pending_.find(output.id);
  if (waiting == pending_.end()) return;
  const auto done = std::move(waiting->second);
  pending_.erase(waiting);
  done(output);
}

void Daemon::carry_out(UpDown&& output) {
  server_.publish(output);
  hooks_.run(output);
}

void Daemon::carry_out(SaNews&& output) {
  counter_book_.record(output);
  server_.publish(output);
}

void Daemon::carry_out(ResolvePeer&& output) {
  resolver_.resolve(output.connection, output.attempt,
                    [this, job = output.job](PeerResolution&& answer) {
                      shard_->complete(job, std::move(answer), now());
                      drain();
                    });
}

void Daemon::carry_out(FindPaths&& output) {
  auto paths =
      io::find_paths(*output.connection, output.remotes,
                     addresses_->without_assigned(network_->addresses()), esp::PlaneOptions{}.mark);
  shard_->complete(output.job, std::move(paths), now());
}

void Daemon::carry_out(MakeSignature&& output) {
  signer_.sign(output.key, output.scheme, std::move(output.octets),
               [this, job = output.job](std::expected<Bytes, std::string> made) {
                 MadeSignature answer;
                 if (made)
                   answer.signature = std::move(*made);
                 else
                   answer.error = std::move(made.error());
                 shard_->complete(job, std::move(answer), now());
                 drain();
               });
}

void Daemon::carry_out(LeaseAddresses&& output) {
  shard_->complete(output.job, addresses_->lease(output.request), now());
}

void Daemon::carry_out(ReleaseAddresses&& output) { addresses_->release(output); }

void Daemon::carry_out(AssignAddresses&& output) { addresses_->assign(std::move(output)); }

void Daemon::carry_out(FetchEvidence&& output) {
  const JobId job = output.job;
  fetcher_.fetch(std::move(output), [this, job](FetchedEvidence&& fetched) {
    shard_->complete(job, std::move(fetched), now());
    drain();
  });
}

void Daemon::carry_out(SequenceNumberUsed&& output) {
  sequence_numbers_.use(output.subscriber, output.sqn);
}

void Daemon::carry_out(Keepalive&& output) {
  // ESP that has left lately has kept the NAT's mapping alive too.
  Sent latest{{}, TimePoint::min()};
  for (const SaPairId pair : output.pairs)
    if (const auto counted = counters(pair); counted && counted->out.last_used > latest.at)
      latest = {pair, counted->out.last_used};
  if (latest.pair && latest.at > now() - loaded_.settings.nat_keepalive)
    return shard_->notice(latest, now());
  plane_->send_keepalive(output.local, output.remote);
}

void Daemon::carry_out(AskLastUse&& output) {
  const auto counters = plane_->counters(output.pair);
  const auto last_use =
      counters ? std::max(counters->in.last_used, counters->out.last_used) : TimePoint::min();
  shard_->last_use(output.pair, last_use, now());
}

// ---- questions ----

std::optional<SaPairCounters> Daemon::counters(SaPairId pair) const {
  return plane_->counters(pair);
}

std::vector<ConnectionRef> Daemon::connections() const {
  std::vector<ConnectionRef> all;
  for (const auto& [name, connection] : shard_->connections().all()) all.push_back(connection);
  return all;
}

ConnectionRef Daemon::connection(const std::string& name) const {
  return shard_->connections().find(name);
}

std::optional<control::Failure> Daemon::last_failure(const std::string& connection) const {
  return failures_.find(connection);
}

std::vector<std::string> Daemon::describe_data_plane() const {
  auto facts = plane_->describe();
  facts.insert(facts.begin(), plane_choice_);
  if (mailbox_.dropped() != 0)
    facts.push_back(fmt::format("{} IKE messages lost to overload", mailbox_.dropped()));
  return facts;
}

std::vector<std::pair<std::string, std::uint64_t>> Daemon::event_counts() const {
  std::vector<std::pair<std::string, std::uint64_t>> counts;
  shard_->counters().for_each(
      [&](std::string_view name, std::uint64_t count) { counts.emplace_back(name, count); });
  auto at = counts.begin();
  own_events_.for_each([&](std::string_view, std::uint64_t count) { (at++)->second += count; });
  return counts;
}

// ---- configuration ----

std::expected<std::vector<std::string>, std::string> Daemon::reload() {
  if (options_.config.empty()) return std::vector<std::string>();
  auto loaded = config::load(options_.config, options_.overrides);
  if (!loaded) return std::unexpected(joined(loaded.error()));
  for (const auto& warning : loaded->warnings)
    log_.write(trace::Level::warning, warning.to_string());
  if (auto known = load_credentials(*loaded); !known) return std::unexpected(known.error());
  if (auto made = plane_->set_interfaces(loaded->interfaces); !made) {
    [[maybe_unused]] const auto back = plane_->set_interfaces(loaded_.interfaces);
    return std::unexpected(std::move(made.error()));
  }
  network_->ignore(own_devices(*loaded));
  const auto difference = compare(loaded_, *loaded);
  auto sentences = difference.sentences();
  for (const auto& sentence : sentences) log_.write(trace::Level::info, "reload: " + sentence);
  load_users(*loaded);
  if (loaded->radius != loaded_.radius) configure_aaa(loaded->radius);
  serve_as_gateway(loaded->gateway);
  apply(difference);
  log_.write(trace::Level::info, fmt::format("reloaded {}: {} added, {} changed, {} removed",
                                             options_.config, difference.added.size(),
                                             difference.changed.size(), difference.removed.size()));
  // The settings in force stay; so a later reload still sees that the file has others.
  loaded->settings = loaded_.settings;
  loaded_ = std::move(*loaded);
  return sentences;
}

void Daemon::apply(const Difference& difference) {
  addresses_->apply(difference);
  for (const auto* secret : difference.new_secrets)
    execute(LoadSecret{{secret->id, secret->secret.clone(), secret->owners}}, {});
  // SAs of a connection that has gone, or that they could not take over, would go on with settings
  // that are no longer anywhere to be read.
  const auto end = [this](const std::string& name) {
    execute(UnloadConnection{{}, name}, {});
    execute(Terminate{{}, name, {}, 0, 0, true}, {});
  };
  for (const auto& name : difference.removed) {
    end(name);
    failures_.forget(name);
    counter_book_.forget(name);
  }
  for (const auto& changed : difference.changed) {
    if (!changed.settings.renegotiates) {
      execute(UpdateConnection{changed.connection, changed.renewed_children()}, {});
      continue;
    }
    end(changed.connection->name);
    execute(LoadConnection{changed.connection}, {});
  }
  for (const auto& connection : difference.added) execute(LoadConnection{connection}, {});
  for (const auto& id : difference.old_secrets) execute(UnloadSecret{{}, id}, {});
}

}  // namespace culvert
