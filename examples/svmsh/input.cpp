// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "input.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace svmsh {

input_length::input_length(char const* path) {
  struct stat about {};
  bool const is_input = std::string_view(path) == "-";
  if ((is_input ? fstat(STDIN_FILENO, &about) : stat(path, &about)) != 0 || !S_ISREG(about.st_mode)) return;
  off_t const begin = is_input ? lseek(STDIN_FILENO, 0, SEEK_CUR) : 0;
  if (begin >= 0 && about.st_size > begin) bytes_ = static_cast<std::uint64_t>(about.st_size - begin);
}

std::optional<double> input_length::share(std::uint64_t bytes) const {
  if (bytes_ == 0) return std::nullopt;
  return static_cast<double>(std::min(bytes, bytes_)) / static_cast<double>(bytes_);
}

line_reader::line_reader(char const* path)
    : path_(path),
      file_(path_ == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)),
      buffer_(std::make_unique<char[]>(block)) {
  if (file_ < 0) error_ = "cannot open '" + path_ + "': " + std::strerror(errno);
}

line_reader::~line_reader() {
  if (file_ > STDIN_FILENO) close(file_);
}

void line_reader::start_line() {
  line_.clear();
  in_comment_ = false;
  any_byte_ = false;
  ++number_;
}

bool line_reader::take() {
  char const* const begin = buffer_.get() + used_;
  char const* const end = buffer_.get() + filled_;
  char const* const newline = std::find(begin, end, '\n');
  if (newline != begin) any_byte_ = true;
  if (!in_comment_) {
    char const* const comment = std::find(begin, newline, '#');
    line_.append(begin, comment);
    in_comment_ = comment != newline;
  }
  used_ += static_cast<std::size_t>(newline - begin);
  if (line_.size() > longest_line) return true;
  if (newline == end) return at_end_ && any_byte_;
  ++used_;
  if (!in_comment_ && line_.ends_with('\r')) line_.pop_back();
  return true;
}

line_reader::status line_reader::fill() {
  if (file_ < 0) return status::failed;
  if (at_end_) return status::end;
  ssize_t got = 0;
  do {
    got = read(file_, buffer_.get(), block);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    error_ = "cannot read '" + path_ + "': " + std::strerror(errno);
    return status::failed;
  }
  used_ = 0;
  filled_ = static_cast<std::size_t>(got);
  bytes_read_ += filled_;
  at_end_ = got == 0;
  return status::line;
}

line_reader::status line_reader::finish_line(std::string_view& line) {
  if (line_.size() > longest_line) return status::too_long;
  line = line_;
  return status::line;
}

}  // namespace svmsh
