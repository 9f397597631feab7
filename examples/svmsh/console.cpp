// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "console.hpp"

#include <unistd.h>

#include <cstddef>
#include <cstdio>

namespace svmsh {

namespace {

constexpr std::size_t block = std::size_t{1} << 16;

/// A file name may hold any byte; a message has to stay on its line.
std::string on_one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  return line;
}

std::string duration_text(double seconds) {
  auto const whole = static_cast<std::uint64_t>(seconds + 0.5);
  constexpr std::uint64_t minute = 60;
  if (whole < minute) return std::to_string(whole) + " s";
  return std::to_string(whole / minute) + " min " + std::to_string(whole % minute) + " s";
}

}  // namespace

std::string progress_text(std::uint64_t lines, std::optional<double> share, double seconds) {
  std::string text;
  if (share) text += std::to_string(static_cast<int>(*share * 100)) + " %, ";
  text += std::to_string(lines) + " lines";
  constexpr double least_share = 0.01;  // below it nobody can say how long the rest takes
  if (share && *share >= least_share) text += ", " + duration_text(seconds * (1 - *share) / *share) + " left";
  return text;
}

console::console(std::string_view source)
    : source_(on_one_line(source)),
      answers_(STDOUT_FILENO),
      messages_(STDERR_FILENO),
      terminal_(is_terminal(STDERR_FILENO)) {}

console::~console() {
  flush();
  erase_progress();
}

void console::print(std::string_view line) {
  if (muted_) return;
  pending_ += line.starts_with("error: ") ? answers_.bad(line) : std::string(line);
  pending_ += '\n';
  if (pending_.size() >= block) flush();
}

void console::flush() {
  if (pending_.empty()) return;
  erase_progress();
  if (!failed_) {
    failed_ = std::fwrite(pending_.data(), 1, pending_.size(), stdout) != pending_.size() || std::fflush(stdout) != 0;
    if (failed_) write_error("svmsh: cannot write to standard output\n");
  }
  pending_.clear();
}

void console::complain(std::uint64_t line, std::string_view text) {
  flush();
  write_error(messages_.title(source_ + ":" + std::to_string(line) + ":") + " " + on_one_line(text) + "\n");
}

void console::complain(std::string_view text) {
  flush();
  write_error(messages_.title(source_ + ":") + " " + on_one_line(text) + "\n");
}

void console::say(std::string_view text) {
  flush();
  write_error(messages_.title("svmsh:") + " " + on_one_line(text) + "\n");
}

void console::progress(std::uint64_t lines, std::optional<double> share) {
  if (!terminal_) return;
  clock::time_point const now = clock::now();
  if (now < next_progress_) return;
  next_progress_ = now + std::chrono::milliseconds(200);
  std::chrono::duration<double> const gone = now - begun_;
  std::string text = "\rsvmsh: " + progress_text(lines, share, gone.count());
  text += is_smart_terminal(STDERR_FILENO) ? "\033[K" : "   ";
  std::fwrite(text.data(), 1, text.size(), stderr);
  progress_shown_ = true;
}

void console::erase_progress() {
  if (!progress_shown_) return;
  std::fputs("\r\033[K", stderr);
  progress_shown_ = false;
}

void console::write_error(std::string const& line) {
  erase_progress();
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace svmsh
