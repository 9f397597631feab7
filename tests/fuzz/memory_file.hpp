// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fuzz {

/// A file without a place on disk, for what reads and writes files only.
class memory_file {
 public:
  memory_file() : file_(memfd_create("fuzz", 0)), path_("/proc/self/fd/" + std::to_string(file_)) {
    if (file_ < 0) std::abort();
  }
  ~memory_file() { close(file_); }
  memory_file(memory_file const&) = delete;
  memory_file& operator=(memory_file const&) = delete;

  /// Opening it begins at its start.
  [[nodiscard]] char const* path() const { return path_.c_str(); }
  [[nodiscard]] int descriptor() const { return file_; }

  void set(std::string_view content) {
    if (ftruncate(file_, 0) != 0 || pwrite(file_, content.data(), content.size(), 0) < 0 ||
        lseek(file_, 0, SEEK_SET) != 0)
      std::abort();
  }
  [[nodiscard]] std::string content() const {
    std::string all(static_cast<std::size_t>(lseek(file_, 0, SEEK_END)), '\0');
    if (pread(file_, all.data(), all.size(), 0) != static_cast<ssize_t>(all.size())) std::abort();
    return all;
  }

 private:
  int file_;
  std::string path_;
};

}  // namespace fuzz
