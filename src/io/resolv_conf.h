// Name servers in resolv.conf(5), in a block of ours at the top: what others wrote stays, and what
// they write meanwhile does too.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "net/address.h"

namespace culvert::io {

// The text with our block and these servers; without the block where there are none. The resolver
// takes the first three servers of a file.
std::string with_name_servers(std::string_view text, const std::vector<IpAddress>& servers);

// Brings the file into that form; one that is so already is not written. Replaced at once where
// that can be, and in place where it is mounted by itself, as in a network namespace. The error is
// a sentence.
std::expected<void, std::string> set_name_servers(const std::string& path,
                                                  const std::vector<IpAddress>& servers);

}  // namespace culvert::io
