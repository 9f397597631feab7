// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "prompt.hpp"

#include "terminal.hpp"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

namespace svmsh {

namespace {

constexpr std::string_view mark = "svmsh> ";

void show(std::string const& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

/// The next byte of standard input; none at its end.
std::optional<char> read_byte() {
  char byte = 0;
  ssize_t got = 0;
  do {
    got = read(STDIN_FILENO, &byte, 1);
  } while (got < 0 && errno == EINTR);
  return got == 1 ? std::optional(byte) : std::nullopt;
}

/// While it lives, the terminal hands over every key as it is pressed, and shows none.
class raw_input {
 public:
  raw_input() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) return;
    termios raw = before_;
    raw.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON);
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    changed_ = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
  }
  ~raw_input() {
    if (changed_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  raw_input(raw_input const&) = delete;
  raw_input& operator=(raw_input const&) = delete;

  [[nodiscard]] bool works() const { return changed_; }

 private:
  termios before_{};
  bool changed_ = false;
};

std::size_t columns() {
  constexpr std::size_t usual = 80;
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > mark.size() + 1 ? size.ws_col : usual;
}

}  // namespace

prompt::prompt() : smart_(is_smart_terminal(STDIN_FILENO) && is_smart_terminal(STDERR_FILENO)) {}

std::optional<std::string> prompt::read_line() {
  return smart_ ? read_edited() : read_plain();
}

std::optional<std::string> prompt::read_plain() {
  show(std::string(mark));
  std::string line;
  while (std::optional<char> const byte = read_byte()) {
    if (*byte == '\n') return line;
    line += *byte;
  }
  show("\n");
  return line.empty() ? std::nullopt : std::optional(line);
}

std::optional<std::string> prompt::read_edited() {
  raw_input const raw;
  if (!raw.works()) {
    smart_ = false;
    return read_plain();
  }
  for (;;) {
    draw();
    std::optional<char> const byte = read_byte();
    switch (byte ? editor_.take(*byte) : line_editor::outcome::end) {
      case line_editor::outcome::typing:
        break;
      case line_editor::outcome::done: {
        show("\r\n");
        std::string line = editor_.line();
        editor_.next();
        return line;
      }
      case line_editor::outcome::cancelled:
        show("^C\r\n");
        editor_.next();
        break;
      case line_editor::outcome::end:
        show("\r\n");
        return std::nullopt;
      case line_editor::outcome::candidates: {
        std::string list = "\r\n";
        for (std::string const& word : editor_.candidates()) list += word + "  ";
        show(list + "\r\n");
        break;
      }
      case line_editor::outcome::clear:
        show("\033[H\033[2J");
        break;
    }
  }
}

/// Shows the part of the line around the cursor that fits on the screen's.
void prompt::draw() const {
  std::size_t const room = columns() - mark.size() - 1;
  std::size_t const begin = editor_.cursor() < room ? 0 : editor_.cursor() - room + 1;
  std::string const shown = editor_.line().substr(begin, room);
  palette const colours(STDERR_FILENO);
  show("\r" + colours.good(mark) + shown + "\033[K\r\033[" + std::to_string(mark.size() + editor_.cursor() - begin) +
       "C");
}

}  // namespace svmsh
