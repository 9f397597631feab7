// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "lackey.hpp"

#include <svm/concepts/mm.hpp>

#include <cstddef>
#include <string>

namespace svmsh {

/// `the load of 8 bytes at 0x1000`.
std::string text_of(trace_access const& a, svm::access_kind want);

/// Bytes in the order of their addresses, as far as anyone reads on.
std::string text_of(std::byte const* bytes, std::size_t size);

}  // namespace svmsh
