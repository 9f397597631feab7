// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <string>

#include <svm/mock/machine/report.hpp>

namespace support {

/// What the locks complained of since the last call; one line, or several joined by '|'.
[[nodiscard]] inline std::string lock_complaints() {
  std::string all;
  for (std::string const& line : svm::mock::lock_report().take()) all += (all.empty() ? "" : "|") + line;
  return all;
}

}  // namespace support
