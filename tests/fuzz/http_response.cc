// links: io
// A response means the same however its octets are cut, and its body keeps within its bound.
#include <cstdlib>

#include "io/http_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  constexpr std::size_t kMost = 1'000;
  const ByteView octets(data, size);
  io::HttpResponse whole(kMost), split(kMost);
  auto state = whole.feed(octets);
  auto other = io::HttpResponse::State::unfinished;
  for (std::size_t i = 0; i < size; ++i) other = split.feed(octets.subspan(i, 1));
  if (size != 0 && state != other) std::abort();
  state = whole.end();
  if (state != split.end() || whole.status() != split.status()) std::abort();
  const Bytes body = whole.take_body();
  if (body.size() > kMost || body != split.take_body()) std::abort();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto url = io::parse_http_url(text);
  if (url && (url->host.empty() || url->port == 0 || !url->target.starts_with('/'))) std::abort();
  if (url) io::resolve_location(*url, text);
  return 0;
}
