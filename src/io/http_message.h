// What fetching needs of HTTP/1.1 (RFC 9110, RFC 9112): http URLs, and responses as they arrive.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace culvert::io {

struct HttpUrl {
  std::string host;  // a name, or an address without brackets
  std::uint16_t port = 80;
  std::string authority;  // for the Host field
  std::string target;     // "/ca.crl?x"
};
// The error goes on after the URL: "is no http URL".
std::expected<HttpUrl, std::string> parse_http_url(std::string_view url);
// What a Location field means beside the URL that was asked for.
std::string resolve_location(const HttpUrl& asked, std::string_view location);

// A GET, or with a body a POST.
Bytes make_http_request(const HttpUrl& url, std::string_view content_type, ByteView body);

// One response; bounded in head and body.
class HttpResponse {
 public:
  enum class State : std::uint8_t { unfinished, complete, broken };
  explicit HttpResponse(std::size_t max_body) : max_body_(max_body) {}

  State feed(ByteView octets);
  // The connection has ended, which may be the end of the body.
  State end();

  unsigned status() const { return status_; }
  const std::string& location() const { return location_; }
  Bytes take_body() { return std::move(body_); }
  const std::string& error() const { return error_; }  // when it is broken

 private:
  enum class Phase : std::uint8_t {
    status_line,
    fields,
    body,
    body_to_end,
    chunk_size,
    chunk,
    chunk_end,
    trailer,
    complete,
    broken
  };
  void fail(std::string why);
  bool read_line(ByteView& octets);
  void on_line();
  void on_status_line();
  void on_field();
  void on_fields_end();
  void on_chunk_size();
  void read_body(ByteView& octets);

  std::size_t max_body_;
  Phase phase_ = Phase::status_line;
  std::string line_;
  std::size_t head_octets_ = 0;
  std::size_t left_ = 0;  // of the body or the chunk
  bool chunked_ = false, has_length_ = false;
  unsigned status_ = 0;
  std::string location_, error_;
  Bytes body_;
};

}  // namespace culvert::io
