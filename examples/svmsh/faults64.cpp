// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "faults64.hpp"

#include "words.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace svmsh {

namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t address_end = std::uint64_t{1} << 47;

std::uint64_t little_endian(unsigned char const* bytes) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < faults64_reader::entry_bytes; ++i) value |= std::uint64_t{bytes[i]} << 8 * i;
  return value;
}

std::string at_offset(std::uint64_t offset) {
  return "at offset " + std::to_string(offset) + ": ";
}

}  // namespace

faults64_reader::faults64_reader(char const* path, std::function<void()> before_read, std::size_t block)
    : path_(path),
      file_(path_ == "-" ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC)),
      before_read_(std::move(before_read)),
      block_(std::max(block, entry_bytes)),
      buffer_(std::make_unique<unsigned char[]>(block_)) {
  if (file_ < 0) error_ = "cannot open '" + path_ + "': " + std::strerror(errno);
}

faults64_reader::~faults64_reader() {
  if (file_ > STDIN_FILENO) close(file_);
}

auto faults64_reader::next(std::uint64_t& address) -> status {
  if (end_ - at_ < entry_bytes && !ended_ && !fill()) return status::failed;
  offset_ = next_offset_;
  if (at_ == end_) return status::end;
  if (end_ - at_ < entry_bytes) {
    error_ = at_offset(offset_) + "the list ends within an entry: expected 8 bytes each, found " +
             std::to_string(end_ - at_);
    return status::malformed;
  }
  address = little_endian(&buffer_[at_]);
  if (address >= address_end || address % page != 0) {
    error_ = at_offset(offset_) + hex(address) +
             (address >= address_end ? " is beyond the user addresses" : " begins no page") +
             ": expected the address of a page of 4K below 2^47";
    return status::malformed;
  }
  at_ += entry_bytes;
  next_offset_ += entry_bytes;
  ++entries_;
  return status::fault;
}

/// Moves what is left to the front of the buffer and reads until there is an entry, or nothing more to read.
bool faults64_reader::fill() {
  std::memmove(buffer_.get(), &buffer_[at_], end_ - at_);
  end_ -= std::exchange(at_, 0);
  while (end_ < entry_bytes && !ended_) {
    if (file_ < 0) return false;
    if (before_read_) before_read_();
    ssize_t got = 0;
    do {
      got = read(file_, &buffer_[end_], block_ - end_);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
      error_ = "cannot read '" + path_ + "': " + std::strerror(errno);
      return false;
    }
    ended_ = got == 0;
    end_ += static_cast<std::size_t>(got);
  }
  return true;
}

}  // namespace svmsh
