// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "system.hpp"

#include <svm/base/result.hpp>
#include <svm/concepts/time_source.hpp>
#include <svm/driver/svm_driver.hpp>
#include <svm/mock/machine/machine.hpp>

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

// The words of svmsh and those of the machine, where they do not depend on the page size.

namespace svmsh {

inline constexpr std::uint64_t word_bytes = sizeof(std::uint64_t);

outcome to_outcome(svm::mock::sys s);
outcome to_outcome(svm::errc e);

svm::mock::protection to_mock(protection p);
svm::mock::mapping_kind to_mock(mapping_kind k);
svm::mock::advice to_mock(advice a);
svm::mock::failure to_mock(failure_kind k);
svm::prefetch_place to_mock(prefetch_target t);
std::optional<svm::cpu_va> to_place(std::optional<std::uint64_t> address);

/// What `show ranges` calls a range with these flags.
std::string_view state_of(bool valid, bool device, bool system);

bool is_word_span(std::uint64_t address, std::uint64_t size);
/// EINVAL for a span that is not of whole pages, ENOMEM for one that passes the end of user addresses.
outcome judge_span(std::uint64_t address, std::uint64_t size, std::uint64_t page_bytes);

/// How long a tick lasts. The clock ends after a century, since moments far apart could not be compared.
svm::duration time_to_pass(svm::time_point now, std::uint64_t ms);

/// Adds `[start, last]`, which follows what is there, and joins it to a run of the same kind.
void add_run(std::vector<span_line>& runs, std::uint64_t start, std::uint64_t last, std::string_view kind);

}  // namespace svmsh
