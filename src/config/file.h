// Whole files, read with a bound and without waiting: a name may belong to a pipe or a directory.
#pragma once

#include <expected>
#include <string>

#include "base/secret.h"

namespace culvert::config {

struct FileContents {
  SecretBytes octets;
  bool world_readable = false;
};
// The error is a sentence: "cannot read 'branch.psk': No such file or directory".
std::expected<FileContents, std::string> read_file(const std::string& path, std::size_t max_size);
// What an editor leaves at the end of a file is no part of the secret in it.
ByteView without_newline(ByteView octets);
// `name` as seen from the folder of the file `from`; absolute names stay as they are.
std::string beside(const std::string& from, const std::string& name);

}  // namespace culvert::config
