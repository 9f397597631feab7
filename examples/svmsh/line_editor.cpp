// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "completion.hpp"
#include "prompt.hpp"

#include <algorithm>
#include <utility>

namespace svmsh {

namespace {

constexpr std::size_t longest_line = std::size_t{1} << 16;

/// What a key sends together with the control key.
constexpr char control(char letter) {
  return static_cast<char>(letter & 0x1f);
}

constexpr char escape = 0x1b;
constexpr char backspace = 0x7f;

}  // namespace

line_editor::outcome line_editor::take(char byte) {
  if (!escape_.empty() || byte == escape) {
    take_escape(byte);
    return outcome::typing;
  }
  if (static_cast<unsigned char>(byte) < 0x20 || byte == backspace) return take_control(byte);
  // Lines are ASCII but for comments, which nobody types here.
  if (static_cast<unsigned char>(byte) < 0x7f && line_.size() < longest_line)
    line_.insert(line_.begin() + static_cast<std::ptrdiff_t>(cursor_++), byte);
  return outcome::typing;
}

line_editor::outcome line_editor::take_control(char byte) {
  switch (byte) {
    case '\r':
    case '\n':
      return outcome::done;
    case '\t':
      return complete();
    case control('C'):
      return outcome::cancelled;
    case control('D'):
      if (line_.empty()) return outcome::end;
      erase(cursor_, cursor_ + 1);
      break;
    case control('H'):
    case backspace:
      if (cursor_ > 0) erase(cursor_ - 1, cursor_);
      break;
    case control('A'):
      cursor_ = 0;
      break;
    case control('E'):
      cursor_ = line_.size();
      break;
    case control('B'):
      cursor_ -= cursor_ > 0 ? 1 : 0;
      break;
    case control('F'):
      cursor_ += cursor_ < line_.size() ? 1 : 0;
      break;
    case control('K'):
      erase(cursor_, line_.size());
      break;
    case control('U'):
      erase(0, cursor_);
      break;
    case control('W'):
      erase(word_start(), cursor_);
      break;
    case control('P'):
      if (at_ > 0) go_back_to(at_ - 1);
      break;
    case control('N'):
      if (at_ < history_.size()) go_back_to(at_ + 1);
      break;
    case control('L'):
      return outcome::clear;
    default:
      break;
  }
  return outcome::typing;
}

/// Arrows and their like: ESC [ or ESC O, parameters, and a letter or a tilde.
void line_editor::take_escape(char byte) {
  escape_ += byte;
  if (escape_.size() == 1 || (escape_.size() == 2 && (byte == '[' || byte == 'O'))) return;
  constexpr std::size_t longest_sequence = 8;
  bool const is_parameter = (byte >= '0' && byte <= '9') || byte == ';';
  if (is_parameter && escape_.size() < longest_sequence) return;
  std::string const sequence = std::exchange(escape_, {}).substr(1);
  if (sequence == "[A" || sequence == "OA") {
    static_cast<void>(take_control(control('P')));
  } else if (sequence == "[B" || sequence == "OB") {
    static_cast<void>(take_control(control('N')));
  } else if (sequence == "[C" || sequence == "OC") {
    static_cast<void>(take_control(control('F')));
  } else if (sequence == "[D" || sequence == "OD") {
    static_cast<void>(take_control(control('B')));
  } else if (sequence == "[H" || sequence == "OH" || sequence == "[1~") {
    cursor_ = 0;
  } else if (sequence == "[F" || sequence == "OF" || sequence == "[4~") {
    cursor_ = line_.size();
  } else if (sequence == "[3~") {
    erase(cursor_, cursor_ + 1);
  }
}

void line_editor::go_back_to(std::size_t entry) {
  if (at_ == history_.size()) new_line_ = line_;
  at_ = entry;
  line_ = entry == history_.size() ? new_line_ : history_[entry];
  cursor_ = line_.size();
}

void line_editor::erase(std::size_t from, std::size_t to) {
  line_.erase(from, std::min(to, line_.size()) - from);
  cursor_ = from;
}

std::size_t line_editor::word_start() const {
  std::size_t start = cursor_;
  while (start > 0 && line_[start - 1] == ' ') --start;
  while (start > 0 && line_[start - 1] != ' ') --start;
  return start;
}

line_editor::outcome line_editor::complete() {
  std::string const before = line_.substr(0, cursor_);
  candidates_ = complete_command(before);
  std::size_t const word = before.find_last_of(" \t") + 1;
  std::string more = common_start(candidates_);
  if (candidates_.size() == 1 && !more.ends_with('=')) more += ' ';
  if (more.size() <= before.size() - word) return candidates_.size() > 1 ? outcome::candidates : outcome::typing;
  line_.replace(word, cursor_ - word, more);
  cursor_ = word + more.size();
  return outcome::typing;
}

void line_editor::next() {
  bool const blank = line_.find_first_not_of(" \t") == std::string::npos;
  if (!blank && (history_.empty() || history_.back() != line_)) history_.push_back(line_);
  line_.clear();
  new_line_.clear();
  cursor_ = 0;
  at_ = history_.size();
}

}  // namespace svmsh
