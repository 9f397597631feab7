// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay_output.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

namespace svmsh {

output_file::~output_file() {
  if (file_ >= 0) close(file_);
  if (created_) unlink(path_.c_str());
}

bool output_file::fail(int cause) {
  error_ = "cannot write '" + path_ + "': " + std::strerror(cause);
  return false;
}

bool output_file::open(std::string const& path) {
  constexpr mode_t mode = 0666;
  path_ = path;
  file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  created_ = file_ >= 0;
  if (file_ < 0) file_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
  return file_ >= 0 || fail(errno);
}

bool output_file::write(std::string_view text) {
  struct stat about {};
  if (fstat(file_, &about) != 0 || (S_ISREG(about.st_mode) && ftruncate(file_, 0) != 0)) return fail(errno);
  while (!text.empty()) {
    ssize_t const done = ::write(file_, text.data(), text.size());
    if (done < 0 && errno != EINTR) return fail(errno);
    if (done > 0) text.remove_prefix(static_cast<std::size_t>(done));
  }
  if (int const file = std::exchange(file_, -1); close(file) != 0) return fail(errno);
  created_ = false;
  return true;
}

}  // namespace svmsh
