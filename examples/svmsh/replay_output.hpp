// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>

namespace svmsh {

/// A line of the report.
struct report_line {
  std::string name;
  std::string value;
};

/// A file that is opened early, so that a wrong name is found before the work, and changed only by `write`.
class output_file {
 public:
  output_file() = default;
  /// A file that was not there before and was not written is removed.
  ~output_file();
  output_file(output_file const&) = delete;
  output_file& operator=(output_file const&) = delete;

  [[nodiscard]] bool open(std::string const& path);
  /// Makes `text` the whole content of the file.
  [[nodiscard]] bool write(std::string_view text);
  /// What is wrong, after a failure.
  [[nodiscard]] std::string const& error() const { return error_; }

 private:
  bool fail(int cause);

  std::string path_;
  int file_ = -1;
  bool created_ = false;
  std::string error_;
};

}  // namespace svmsh
