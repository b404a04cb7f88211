// Invariant: what a server sends is taken octet for octet within the bounds, or the response is
// broken.
#include "io/http_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace culvert::io {
namespace {

constexpr std::size_t kMaxHead = 16 * 1'024;  // octets of status line, fields and chunk sizes

bool starts_with_scheme(std::string_view url, std::string_view scheme) {
  return url.size() >= scheme.size() &&
         std::ranges::equal(url.substr(0, scheme.size()), scheme, [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
         });
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

template <class T>
bool read_number(std::string_view text, T& value, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// "[2001:db8::1]:8080", "pki.example.org"
bool read_authority(std::string_view text, HttpUrl& url) {
  url.authority = text;
  std::string_view port;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos) return false;
    url.host = text.substr(1, end - 1);
    port = text.substr(end + 1);
  } else {
    const auto colon = text.find(':');
    url.host = text.substr(0, colon);
    if (colon != std::string_view::npos) port = text.substr(colon);
  }
  if (port.starts_with(':') && port.size() > 1)
    return read_number(port.substr(1), url.port) && url.port != 0 && !url.host.empty();
  return (port.empty() || port == ":") && !url.host.empty();
}

}  // namespace

std::expected<HttpUrl, std::string> parse_http_url(std::string_view url) {
  for (const std::string_view scheme : {"ldap:", "ldaps:", "https:", "file:", "ftp:"})
    if (starts_with_scheme(url, scheme))
      return std::unexpected(
          fmt::format("{} is not fetched, only http is", scheme.substr(0, scheme.size() - 1)));
  constexpr std::string_view kScheme = "http://";
  const bool printable = std::ranges::all_of(url, [](char c) { return c > ' ' && c < 0x7f; });
  if (!starts_with_scheme(url, kScheme) || !printable) return std::unexpected("is no http URL");
  url.remove_prefix(kScheme.size());
  const auto end = std::min(url.find_first_of("/?#"), url.size());
  HttpUrl parsed;
  if (!read_authority(url.substr(0, end), parsed) ||
      parsed.authority.find('@') != std::string::npos)
    return std::unexpected("is no http URL");
  std::string_view target = url.substr(end);
  target = target.substr(0, target.find('#'));
  parsed.target = target.starts_with('/') ? std::string(target) : fmt::format("/{}", target);
  return parsed;
}

std::string resolve_location(const HttpUrl& asked, std::string_view location) {
  if (location.starts_with("//")) return fmt::format("http:{}", location);
  if (location.starts_with('/')) return fmt::format("http://{}{}", asked.authority, location);
  if (location.find("://") != std::string_view::npos) return std::string(location);
  const auto folder = asked.target.substr(0, asked.target.find('?'));
  return fmt::format("http://{}{}{}", asked.authority, folder.substr(0, folder.rfind('/') + 1),
                     location);
}

Bytes make_http_request(const HttpUrl& url, std::string_view content_type, ByteView body) {
  const bool post = !body.empty();
  std::string head = fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Culvert\r\nAccept: */*\r\nConnection: close\r\n",
      post ? "POST" : "GET", url.target, url.authority);
  if (post)
    head += fmt::format("Content-Type: {}\r\nContent-Length: {}\r\n", content_type, body.size());
  head += "\r\n";
  Bytes request = to_bytes(as_bytes(head));
  append(request, body);
  return request;
}

void HttpResponse::fail(std::string why) {
  phase_ = Phase::broken;
  error_ = std::move(why);
}

HttpResponse::State HttpResponse::feed(ByteView octets) {
  while (!octets.empty() && phase_ != Phase::complete && phase_ != Phase::broken) {
    if (phase_ == Phase::body || phase_ == Phase::body_to_end || phase_ == Phase::chunk)
      read_body(octets);
    else if (read_line(octets))
      on_line();
  }
  if (phase_ == Phase::broken) return State::broken;
  return phase_ == Phase::complete ? State::complete : State::unfinished;
}

HttpResponse::State HttpResponse::end() {
  if (phase_ == Phase::body_to_end) phase_ = Phase::complete;
  if (phase_ == Phase::complete) return State::complete;
  if (phase_ != Phase::broken) fail("ends its answer in the middle");
  return State::broken;
}

// True when line_ is a whole line, without its end.
bool HttpResponse::read_line(ByteView& octets) {
  const auto newline = std::ranges::find(octets, std::uint8_t{'\n'});
  const auto size = static_cast<std::size_t>(newline - octets.begin());
  head_octets_ += size + 1;
  if (head_octets_ > kMaxHead) {
    fail("sends too long a head");
    return false;
  }
  line_ += as_text(octets.first(size));
  const bool whole = newline != octets.end();
  octets = octets.subspan(whole ? size + 1 : size);
  if (whole && line_.ends_with('\r')) line_.pop_back();
  return whole;
}

void HttpResponse::on_line() {
  switch (phase_) {
    case Phase::status_line:
      on_status_line();
      break;
    case Phase::fields:
      line_.empty() ? on_fields_end() : on_field();
      break;
    case Phase::chunk_size:
      on_chunk_size();
      break;
    case Phase::chunk_end:
      if (line_.empty())
        phase_ = Phase::chunk_size;
      else
        fail("breaks the rules of HTTP");
      break;
    default:  // trailer
      if (line_.empty()) phase_ = Phase::complete;
  }
  line_.clear();
}

void HttpResponse::on_status_line() {
  const std::string_view line = line_;
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || !read_number(line.substr(9, 3), status_))
    return fail("does not speak HTTP/1.1");
  phase_ = Phase::fields;
}

void HttpResponse::on_field() {
  const std::string_view line = line_;
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return fail("breaks the rules of HTTP");
  const auto name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
  const auto is = [&](std::string_view wanted) {
    return name.size() == wanted.size() && starts_with_scheme(name, wanted);
  };
  if (is("location")) location_ = value;
  if (is("transfer-encoding")) {
    if (!starts_with_scheme(value, "chunked")) return fail("encodes its answer in an unknown way");
    chunked_ = true;
  }
  if (is("content-length")) {
    if (!read_number(value, left_)) return fail("breaks the rules of HTTP");
    has_length_ = true;
  }
}

// RFC 9112, 6.3: how long the body is.
void HttpResponse::on_fields_end() {
  if (status_ >= 100 && status_ < 200) {
    phase_ = Phase::status_line;
    return;
  }
  if (chunked_) {
    phase_ = Phase::chunk_size;
  } else if (!has_length_) {
    phase_ = Phase::body_to_end;
  } else if (left_ > max_body_) {
    fail(fmt::format("has more than {} octets to give", max_body_));
  } else {
    phase_ = left_ == 0 ? Phase::complete : Phase::body;
  }
}

void HttpResponse::on_chunk_size() {
  const std::string_view line = line_;
  if (!read_number(trimmed(line.substr(0, line.find(';'))), left_, 16))
    return fail("breaks the rules of HTTP");
  head_octets_ = 0;  // a bound on each chunk's line; the body has one of its own
  phase_ = left_ == 0 ? Phase::trailer : Phase::chunk;
}

void HttpResponse::read_body(ByteView& octets) {
  const bool to_end = phase_ == Phase::body_to_end;
  const std::size_t size = to_end ? octets.size() : std::min(left_, octets.size());
  if (size > max_body_ - body_.size())
    return fail(fmt::format("has more than {} octets to give", max_body_));
  append(body_, octets.first(size));
  octets = octets.subspan(size);
  if (to_end) return;
  left_ -= size;
  if (left_ == 0) phase_ = phase_ == Phase::chunk ? Phase::chunk_end : Phase::complete;
}

}  // namespace culvert::io
