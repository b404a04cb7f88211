#include "cli/qr.h"

#include <qrencode.h>

#include <memory>

namespace culvert::cli {
namespace {

constexpr int kMargin = 2;  // of the terminal's own cells there usually are more
// A terminal is dark as a rule: what is light in the code is drawn.
constexpr const char* kHalves[2][2] = {{" ", "▄"}, {"▀", "█"}};

}  // namespace

Outcome<std::string> qr_text(const std::string& content) {
  const std::unique_ptr<QRcode, void (*)(QRcode*)> code(
      QRcode_encodeString8bit(content.c_str(), 0, QR_ECLEVEL_M), QRcode_free);
  if (!code) return std::unexpected("that is too long for a QR code");
  const auto is_light = [&](int row, int column) {
    const bool inside = row >= 0 && column >= 0 && row < code->width && column < code->width;
    return !inside || (code->data[row * code->width + column] & 1) == 0;
  };
  std::string text;
  for (int row = -kMargin; row < code->width + kMargin; row += 2) {
    for (int column = -kMargin; column < code->width + kMargin; ++column)
      text += kHalves[is_light(row, column)][is_light(row + 1, column)];
    text += '\n';
  }
  return text;
}

}  // namespace culvert::cli
