// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <failure/stage.hpp>

#include <string>
#include <utility>
#include <vector>

#include <support/sanitized.hpp>

namespace support {
namespace {

/// The first word of every page that may be read, before the call.
using words = std::vector<std::pair<cpu_va, std::uint64_t>>;

words words_of(world& w) {
  words all;
  for (auto const& [start, v] : w.process.vmas().all())
    for (byte_count done{}; v.readable() && done < v.extent.size(); done += machine::page_size) {
      cpu_va const a = v.extent.start() + done;
      pte const e = w.process.entry_at(a);
      std::uint64_t word = 0;
      if (e.has_page()) std::memcpy(&word, w.frames.bytes(e.target, false), sizeof word);
      all.emplace_back(a, word);
    }
  return all;
}

/// Reads what was there as a GPU, as long as there is a driver, and as the CPU.
void check_words(world& w, words const& before) {
  std::uint64_t wrong = 0;
  if (w.driver.svm().find_or_insert(base, {}).error() != errc::gone)
    for (auto const& [a, word] : before) wrong += w.gpu_read(a) == word ? 0 : 1;
  for (auto const& [a, word] : before) wrong += w.cpu_read(a) == word ? 0 : 1;
  CHECK(wrong == 0);
}

struct plan {
  failure kind;
  repeat how;
  std::uint64_t nth;
};

/// What the runs of a call in a situation are compared with.
struct reference {
  state never_failed;
  state nothing;  ///< of a machine on which nothing was done
};

void run(situation const& before, call const& made, plan const& p, reference const& wanted) {
  CAPTURE(static_cast<int>(p.how));
  CAPTURE(p.nth);
  stage w{before.machine()};
  before.set_up(w);
  state const start{w};
  words const content = words_of(w);
  auto const struck = w.failures.struck();
  w.failures.arm(p.kind, p.nth, p.how);
  errc const e = made.act(w);
  bool const happened = w.failures.struck() != struck;
  w.failures.disarm();
  state const end{w};

  constexpr part_set never = set_of(part::contents, part::vmas, part::references);
  CHECK(end.difference_from({&start}, ~never) == "");
  if (!happened) {
    CHECK(e == errc::ok);
    CHECK(end.difference_from({&wanted.never_failed}, 0) == "");
  } else if (e == errc::ok) {
    CHECK(end.difference_from({&wanted.never_failed}, before.loose | made.when_overcome | set_of(part::frames)) == "");
  } else {
    CHECK_MESSAGE((!made.reports || e == cause_of(p.kind)), e);
    part_set const moved = made.piecemeal && p.kind == failure::lock ? placement : 0;
    CHECK(end.difference_from({&start}, before.loose | made.when_failed | made.made_or_not | moved) == "");
    CHECK(end.difference_from({&start, &wanted.never_failed, &wanted.nothing}, ~made.made_or_not | before.loose) == "");
    CHECK(made.act(w) == errc::ok);
    CHECK(state{w}.difference_from({&wanted.never_failed}, before.loose | set_of(part::frames)) == "");
  }
  if (auto* const account = w.driver.account()) CHECK(account->used() == w.device_memory.used());
  w.end_extras();
  CHECK(w.complaint() == "");
  check_words(w, content);
  CHECK(w.complaint() == "");
}

}  // namespace

std::uint64_t fail_everywhere(situation const& before, call const& made) {
  CAPTURE(std::string{before.name});
  CAPTURE(std::string{made.name});
  std::array<std::uint64_t, svm::mock::failure_kinds> steps{};
  reference const wanted = [&]() -> reference {
    stage w{before.machine()};
    state const nothing{w};
    before.set_up(w);
    for (std::size_t k = 0; k < steps.size(); ++k) steps[k] = w.failures.calls(static_cast<failure>(k));
    CHECK(made.act(w) == errc::ok);
    for (std::size_t k = 0; k < steps.size(); ++k) steps[k] = w.failures.calls(static_cast<failure>(k)) - steps[k];
    return {state{w}, nothing};
  }();
  std::uint64_t runs = 0;
  for (std::size_t k = 0; k < steps.size(); ++k) {
    CAPTURE(std::string{name(static_cast<failure>(k))});
    if (steps[k] == 0) continue;
    // The last one finds no nth operation, and nothing fails.
    for (repeat const how : {repeat::once, repeat::from_then_on})
      for (std::uint64_t nth = 1; nth <= steps[k] + (how == repeat::once ? 1 : 0); ++nth) {
        if (sanitized && nth % 24 != 1) continue;
        run(before, made, {static_cast<failure>(k), how, nth}, wanted);
        ++runs;
      }
  }
  return runs;
}

}  // namespace support
