// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <initializer_list>

#include <support/sanitized.hpp>
#include <support/world.hpp>

namespace support {

using svm::mock::failure;
using svm::mock::failure_plan;

/// Runs `call(world&) -> errc` in fresh worlds with the first, the second, ... operation of a kind failing, until none
/// fails any more: each end is success or one of `documented`, `same(world&) -> bool` holds then, and the call succeeds
/// when nothing fails. Under a sanitizer each third operation fails.
template <class Setup, class Call, class Same>
void fail_each(svm::mock::machine_options const& o, failure kind, std::initializer_list<errc> documented, Setup&& setup,
               Call&& call, Same&& same) {
  for (auto const how : {failure_plan::repeat::once, failure_plan::repeat::from_then_on}) {
    std::uint64_t k = 1;
    for (;; k += support::sanitized ? 3 : 1) {
      CAPTURE(static_cast<int>(kind));
      CAPTURE(static_cast<int>(how));
      CAPTURE(k);
      REQUIRE(k < 2000);
      world w{o};
      setup(w);
      w.failures.arm(kind, k, how);
      errc const e = call(w);
      bool const struck = w.failures.struck() != 0;
      w.failures.disarm();
      CHECK((e == errc::ok || (struck && std::ranges::find(documented, e) != documented.end())));
      CHECK(w.complaint() == "");
      CHECK(same(w));
      CHECK(call(w) == errc::ok);
      CHECK(w.complaint() == "");
      CHECK(same(w));
      if (!struck) break;
    }
    CHECK(k > 1);
  }
}

}  // namespace support
