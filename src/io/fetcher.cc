// Invariant: a Transfer that is over does nothing more, whatever is still under way on its socket;
// only the loop's thread touches anything here.
#include "io/fetcher.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <array>

#include "base/limits.h"
#include "io/tcp_endpoint.h"

namespace culvert::io {
namespace {

constexpr std::size_t kMaxLookups = 4;
constexpr std::size_t kMaxFetchesWaiting = 1'024;
constexpr std::size_t kMaxFetchedKept = 1'024;
constexpr std::size_t kMaxFetchedKeptOctets = 64 * 1'024 * 1'024;
constexpr std::size_t kMaxSilentServers = 1'024;
constexpr unsigned kMaxRedirects = 3;
constexpr std::size_t kMaxServerAddresses = 4;
// As long as octets come; a job does not wait so long, but who asks next has them.
constexpr Duration kTransferTime = std::chrono::seconds(60);
constexpr const char* kSilent = "the server does not answer";

std::size_t max_size(FetchRequest::Kind kind) {
  return kind == FetchRequest::Kind::crl ? limits::kMaxCrlSize : limits::kMaxOcspSize;
}

bool is_redirect(unsigned status, bool post) {
  if (status == 307 || status == 308) return true;
  return !post && (status == 301 || status == 302 || status == 303);
}

template <class Map>
void forget_expired(Map& map, TimePoint now) {
  std::erase_if(map, [now](const auto& one) { return one.second <= now; });
}

}  // namespace

struct Fetcher::Search {
  FetchRequest request;
  std::size_t next_url = 0;
  Fetched result;
};

struct Fetcher::Job {
  std::vector<Search> searches;
  std::size_t left = 0;  // searches that are not over
  Done done;
  std::unique_ptr<Timer> deadline;
};

struct Fetcher::Transfer {
  Transfer(EventLoop& loop, Key wanted, std::size_t most)
      : key(std::move(wanted)), max_size(most), socket(loop.context()), response(most) {}
  Key key;
  std::size_t max_size;
  HttpUrl url;
  std::vector<std::function<void(const Answer&)>> then;
  std::vector<IpAddress> addresses;
  std::size_t next_address = 0;
  unsigned redirects = 0;
  std::string error = kSilent;
  asio::ip::tcp::socket socket;
  std::unique_ptr<Timer> timer;
  std::function<void()> on_timer;
  TimePoint end_by = kNever;
  Bytes request;
  HttpResponse response;
  std::array<std::uint8_t, 16'384> buffer;
  bool running = false, over = false;
};

Fetcher::Fetcher(EventLoop& loop, Options options)
    : loop_(loop),
      options_(std::move(options)),
      names_(loop, kMaxLookups, std::move(options_.lookup)) {}

Fetcher::~Fetcher() {
  asio::error_code ignored;
  for (const auto& [key, transfer] : transfers_) {
    transfer->over = true;
    transfer->socket.close(ignored);
  }
}

// ---- jobs ----

void Fetcher::fetch(FetchEvidence&& wanted, Done done) {
  auto job = std::make_shared<Job>();
  for (FetchRequest& request : wanted.requests)
    job->searches.push_back({std::move(request), 0, {}});
  job->left = job->searches.size();
  job->done = std::move(done);
  job->deadline = std::make_unique<Timer>(loop_, [this, weak = std::weak_ptr(job)] {
    if (const auto late = weak.lock()) end(late);
  });
  job->deadline->set(loop_.now() + options_.deadline);
  jobs_.insert(job);
  loop_.post([this, weak = std::weak_ptr(job)] {
    const auto begun = weak.lock();
    if (!begun) return;
    if (begun->left == 0) return end(begun);
    for (std::size_t i = 0; i < begun->searches.size(); ++i) try_next(begun, i);
  });
}

void Fetcher::try_next(const std::shared_ptr<Job>& job, std::size_t index) {
  Search& search = job->searches[index];
  if (search.next_url == search.request.urls.size()) {
    if (--job->left == 0) end(job);
    return;
  }
  search.result = {{}, search.request.urls[search.next_url++], kSilent};
  ask({search.result.url, search.request.body}, max_size(search.request.kind),
      [this, weak = std::weak_ptr(job), index](const Answer& answer) {
        if (const auto waiting = weak.lock()) take(waiting, index, answer);
      });
}

void Fetcher::take(const std::shared_ptr<Job>& job, std::size_t index, const Answer& answer) {
  Fetched& result = job->searches[index].result;
  if (!answer) {
    result.error = answer.error();
    return try_next(job, index);
  }
  result.octets = **answer;
  if (--job->left == 0) end(job);
}

void Fetcher::end(const std::shared_ptr<Job>& job) {
  if (jobs_.erase(job) == 0) return;
  job->deadline->set(kNever);
  loop_.post([job] {});  // its timer may be what is running
  FetchedEvidence fetched;
  for (Search& search : job->searches) fetched.answers.push_back(std::move(search.result));
  const auto done = std::move(job->done);
  done(std::move(fetched));
}

// ---- questions ----

void Fetcher::ask(Key key, std::size_t max_size, std::function<void(const Answer&)> then) {
  const TimePoint now = loop_.now();
  if (const auto kept = kept_.find(key); kept != kept_.end() && kept->second.until > now)
    return then(Answer(kept->second.answer));
  if (const auto same = transfers_.find(key); same != transfers_.end())
    return same->second->then.push_back(std::move(then));
  auto url = parse_http_url(key.first);
  if (!url) return then(std::unexpected(std::move(url.error())));
  if (const auto silent = silent_.find(url->authority);
      silent != silent_.end() && silent->second > now)
    return then(std::unexpected("the server did not answer a moment ago"));
  if (waiting_.size() == kMaxFetchesWaiting)
    return then(std::unexpected("too many others are being asked"));
  auto transfer = std::make_shared<Transfer>(loop_, key, max_size);
  transfer->url = std::move(*url);
  transfer->then.push_back(std::move(then));
  waiting_.push_back(transfer);
  transfers_.emplace(std::move(key), std::move(transfer));
  start_waiting();
}

void Fetcher::start_waiting() {
  while (running_ < options_.max_transfers && !waiting_.empty()) {
    const auto transfer = waiting_.front().lock();
    waiting_.pop_front();
    if (!transfer) continue;
    transfer->running = true;
    ++running_;
    transfer->end_by = loop_.now() + kTransferTime;
    transfer->timer = std::make_unique<Timer>(loop_, [weak = std::weak_ptr(transfer)] {
      const auto late = weak.lock();
      if (late && !late->over) late->on_timer();
    });
    begin(transfer);
  }
}

void Fetcher::finish(const std::shared_ptr<Transfer>& transfer, const Answer& answer, bool dead) {
  if (transfer->over) return;
  transfer->over = true;
  asio::error_code ignored;
  transfer->socket.close(ignored);
  transfer->timer->set(kNever);
  loop_.post([transfer] {});  // its timer may be what is running
  --running_;
  const TimePoint now = loop_.now();
  if (dead) {
    if (silent_.size() >= kMaxSilentServers) forget_expired(silent_, now);
    if (silent_.size() < kMaxSilentServers)
      silent_[transfer->url.authority] = now + options_.leave_alone;
  }
  keep(transfer->key, answer);
  const auto then = std::move(transfer->then);
  transfers_.erase(transfer->key);
  for (const auto& one : then) one(answer);
  start_waiting();
}

void Fetcher::keep(const Key& key, const Answer& answer) {
  const TimePoint now = loop_.now();
  for (auto at = kept_.begin(); at != kept_.end();) {
    if (at->second.until > now) {
      ++at;
      continue;
    }
    if (at->second.answer) kept_octets_ -= (*at->second.answer)->size();
    at = kept_.erase(at);
  }
  const std::size_t octets = answer ? (*answer)->size() : 0;
  if (kept_.size() >= kMaxFetchedKept || octets > kMaxFetchedKeptOctets - kept_octets_) return;
  if (kept_.emplace(key, Kept{answer, now + options_.keep}).second) kept_octets_ += octets;
}

// ---- one exchange with a server ----

void Fetcher::begin(const std::shared_ptr<Transfer>& transfer) {
  transfer->response = HttpResponse(transfer->max_size);
  transfer->next_address = 0;
  transfer->request =
      make_http_request(transfer->url, "application/ocsp-request", transfer->key.second);
  if (const auto address = IpAddress::parse(transfer->url.host)) {
    transfer->addresses = {*address};
    return connect(transfer);
  }
  transfer->error =
      fmt::format("no address for {}: the name servers do not answer", transfer->url.host);
  transfer->on_timer = [this, &one = *transfer, weak = std::weak_ptr(transfer)] {
    finish(weak.lock(), std::unexpected(one.error), true);
  };
  transfer->timer->set(loop_.now() + options_.patience);
  names_.look_up(transfer->url.host, transfer,
                 [this, weak = std::weak_ptr(transfer)](const NameLookup::Addresses& addresses) {
                   const auto waiting = weak.lock();
                   if (!waiting || waiting->over) return;
                   if (!addresses)
                     waiting->error =
                         fmt::format("no address for {}: {}", waiting->url.host, addresses.error());
                   waiting->addresses = addresses.value_or(std::vector<IpAddress>{});
                   if (waiting->addresses.size() > kMaxServerAddresses)
                     waiting->addresses.resize(kMaxServerAddresses);
                   connect(waiting);
                 });
}

// The next address; each has its share of the patience.
void Fetcher::connect(const std::shared_ptr<Transfer>& transfer) {
  const std::size_t left = transfer->addresses.size() - transfer->next_address;
  if (left == 0) return finish(transfer, std::unexpected(transfer->error), true);
  const std::size_t attempt = ++transfer->next_address;
  const auto endpoint = tcp_endpoint({transfer->addresses[attempt - 1], transfer->url.port});
  transfer->error = kSilent;
  transfer->on_timer = [this, weak = std::weak_ptr(transfer)] { connect(weak.lock()); };
  transfer->timer->set(loop_.now() + options_.patience / static_cast<int>(left));
  asio::error_code error;
  transfer->socket.close(error);
  transfer->socket.open(endpoint.protocol(), error);
  const int mark = static_cast<int>(options_.mark);
  if (!error && mark != 0)  // without the right to do so: its packets go where others go
    ::setsockopt(transfer->socket.native_handle(), SOL_SOCKET, SO_MARK, &mark, sizeof mark);
  transfer->socket.async_connect(endpoint,
                                 [this, transfer, attempt](const asio::error_code& failed) {
                                   if (transfer->over || attempt != transfer->next_address) return;
                                   if (!failed) return send(transfer);
                                   transfer->error = failed.message();
                                   connect(transfer);
                                 });
}

void Fetcher::send(const std::shared_ptr<Transfer>& transfer) {
  transfer->on_timer = [this, weak = std::weak_ptr(transfer)] {
    finish(weak.lock(), std::unexpected(kSilent), true);
  };
  transfer->timer->set(loop_.now() + options_.patience);
  asio::async_write(transfer->socket, asio::buffer(transfer->request),
                    [this, transfer](const asio::error_code& failed, std::size_t) {
                      if (transfer->over) return;
                      if (failed) return finish(transfer, std::unexpected(failed.message()), true);
                      receive(transfer);
                    });
}

void Fetcher::receive(const std::shared_ptr<Transfer>& transfer) {
  transfer->timer->set(std::min(loop_.now() + options_.patience, transfer->end_by));
  transfer->socket.async_read_some(
      asio::buffer(transfer->buffer),
      [this, transfer](const asio::error_code& failed, std::size_t size) {
        if (transfer->over) return;
        auto& response = transfer->response;
        const auto state =
            failed ? response.end() : response.feed(ByteView(transfer->buffer).first(size));
        if (state == HttpResponse::State::unfinished) return receive(transfer);
        if (state == HttpResponse::State::broken)
          return finish(transfer, std::unexpected("the server " + response.error()), false);
        conclude(transfer);
      });
}

void Fetcher::conclude(const std::shared_ptr<Transfer>& transfer) {
  const unsigned status = transfer->response.status();
  if (is_redirect(status, !transfer->key.second.empty()) && transfer->redirects++ < kMaxRedirects) {
    auto next = parse_http_url(resolve_location(transfer->url, transfer->response.location()));
    if (!next) return finish(transfer, std::unexpected("leads elsewhere: " + next.error()), false);
    transfer->url = std::move(*next);
    asio::error_code ignored;
    transfer->socket.close(ignored);
    return begin(transfer);
  }
  if (status != 200)
    return finish(transfer,
                  std::unexpected(fmt::format("the server answers with status {}", status)), false);
  auto body = std::make_shared<const Bytes>(transfer->response.take_body());
  if (body->empty()) return finish(transfer, std::unexpected("the server gives nothing"), false);
  finish(transfer, std::move(body), false);
}

}  // namespace culvert::io
