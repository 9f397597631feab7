// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/port/decorated.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include <conformance/tiny_bench.hpp>
#include <svm/conformance/device.hpp>
#include <svm/conformance/mm.hpp>
#include <svm/conformance/pagemap.hpp>
#include <svm/port.hpp>

using svm::errc;
using svm::port::model_call;
using namespace svm::literals;

namespace {

/// All three, each around the next: to compile the library once for each would take three times as long.
template <class Model>
using decorated = svm::port::logging<svm::port::counting<svm::port::failing<Model>>>;

template <class Model>
[[nodiscard]] svm::port::call_reporter& log_of(svm::port::decorated_model<Model, svm::port::call_reporter>& m) {
  return m.tap();
}
template <class Model>
[[nodiscard]] svm::port::call_counter& counter_of(svm::port::decorated_model<Model, svm::port::call_counter>& m) {
  return m.tap();
}
template <class Model>
[[nodiscard]] svm::port::call_breaker& breaker_of(svm::port::decorated_model<Model, svm::port::call_breaker>& m) {
  return m.tap();
}

struct decorated_policies : tiny::policies {
  using mm = decorated<tiny::process>;
  using device = decorated<tiny::gpu>;
  using pagemap = decorated<tiny::vram>;
};

/// The program of examples/minimal_backend.cpp as far as a fault goes, with something around each model.
struct whole_system {
  using policies = decorated_policies;
  static_assert(svm::explain<policies>());

  svm::heap heap;
  tiny::memory memory{heap};
  typename policies::mm process{memory, 1u};
  typename policies::device gpu{memory};
  typename policies::pagemap vram{memory, 1_MiB};
  svm::steady_clock clock;
  svm::null_observer observer;
  svm::migrator<policies> migrator{{process, gpu, vram, heap, clock, observer}};
  std::array<svm::byte_count, 2> chunks{64_KiB, 4_KiB};
  svm::gpusvm_layout shape = *svm::gpusvm_layout::make({svm::cpu_va{}, 1_TiB}, 2_MiB, chunks, tiny::process::page_size);
  svm::svm_driver<policies> driver;

  static constexpr svm::cpu_va buffer{0x10000000};

  explicit whole_system(svm::driver_options const& how = {}) : driver{migrator, shape, how} {
    process.mmap({buffer, 64_KiB}, svm::page_order{4});
    CHECK(process.store(buffer, 42));
  }
  [[nodiscard]] errc fault() { return driver.fault(buffer, svm::access_kind::read); }
  /// The GPU reads what the CPU wrote, and nothing is left afterwards.
  void works_and_ends() {
    CHECK(fault() == errc::ok);
    CHECK(gpu.load(buffer) == 42);
    CHECK(process.load(buffer) == 42);
    process.munmap(buffer);
    driver.collect_garbage();
    CHECK(vram.available() == vram.capacity());
    CHECK(gpu.dma_mappings() == 0);
  }
};

/// Writes down what it is told.
struct list_log final : svm::port::call_log {
  std::vector<std::pair<model_call, errc>> ended;
  std::vector<model_call> open;

  void begins(model_call c) noexcept override { open.push_back(c); }
  void ends(model_call c, errc e) noexcept override {
    REQUIRE(!open.empty());
    CHECK(open.back() == c);
    open.pop_back();
    ended.emplace_back(c, e);
  }
  /// Where a call first ended.
  [[nodiscard]] std::size_t place(model_call c) const {
    for (std::size_t i = 0; i < ended.size(); ++i)
      if (ended[i].first == c) return i;
    FAIL("there was no ", svm::port::name(c));
    return 0;
  }
};

std::string read_all(std::FILE* f) {
  std::string text;
  std::rewind(f);
  for (int c = std::fgetc(f); c != EOF; c = std::fgetc(f)) text += static_cast<char>(c);
  return text;
}

}  // namespace

TEST_SUITE("port/decorated") {
  TEST_CASE("models with something around them keep the promises that they kept without") {
    auto const make = [] { return std::make_unique<tiny_bench<decorated>>(); };
    CHECK(svm::conformance::mm::check_all(make) == svm::conformance::kept);
    CHECK(svm::conformance::device::check_all(make) == svm::conformance::kept);
    CHECK(svm::conformance::pagemap::check_all(make) == svm::conformance::kept);
  }
  TEST_CASE("each call has a name of its own") {
    for (std::size_t a = 0; a < svm::port::model_calls; ++a)
      for (std::size_t b = 0; b < a; ++b)
        CHECK(std::string{svm::port::name(static_cast<model_call>(a))} != svm::port::name(static_cast<model_call>(b)));
    CHECK(std::string{svm::port::name(model_call::unmap)} == "unmap");
    CHECK(static_cast<std::size_t>(model_call::unmap) == svm::port::model_calls - 1);
    CHECK(std::string{svm::port::name(model_call::collect_pages)} == "collect_pages");
    CHECK(std::string{svm::port::name(model_call::copy_to_system)} == "copy_to_system");
  }
  TEST_CASE("a fault that migrates makes one copy, one session and one bind; a second fault none of them") {
    whole_system s;
    CHECK(s.fault() == errc::ok);
    for (model_call const c : {model_call::collect, model_call::install, model_call::register_notifier})
      CHECK(counter_of(s.process).of(c) == 1);
    CHECK(counter_of(s.process).of(model_call::collect_pages) == 0);
    for (model_call const c : {model_call::dma_map, model_call::dma_unmap, model_call::prepare, model_call::commit})
      CHECK(counter_of(s.gpu).of(c) == 1);
    for (model_call const c : {model_call::allocate, model_call::pages, model_call::copy_to_device, model_call::map})
      CHECK(counter_of(s.vram).of(c) == 1);
    CHECK(counter_of(s.process).of(model_call::get_user) == counter_of(s.process).of(model_call::put_user));
    counter_of(s.process).reset();
    counter_of(s.gpu).reset();
    counter_of(s.vram).reset();
    CHECK(s.fault() == errc::ok);
    CHECK(counter_of(s.process).of(model_call::collect) + counter_of(s.process).of(model_call::fault_in) == 0);
    for (std::size_t c = 0; c < svm::port::model_calls; ++c) {
      CHECK(counter_of(s.gpu).of(static_cast<model_call>(c)) == 0);
      CHECK(counter_of(s.vram).of(static_cast<model_call>(c)) == 0);
    }
    s.works_and_ends();
    CHECK(counter_of(s.process).of(model_call::collect_pages) != 0);
    CHECK(counter_of(s.vram).of(model_call::copy_to_system) == 1);
    CHECK(counter_of(s.vram).of(model_call::release) == 1);
  }
  TEST_CASE(
      "whichever call of a fault fails, at whichever time, the fault says so or does without, and the next serves") {
    auto const run = [](auto const& tap_of, model_call c) {
      int struck = 0;
      for (std::uint64_t nth = 1;; ++nth) {
        CAPTURE(svm::port::name(c));
        CAPTURE(nth);
        whole_system s;
        svm::port::call_breaker& tap = tap_of(s);
        tap.fail(c, nth);
        errc const e = s.fault();
        bool const failed = tap.struck() != 0;
        if (!failed) CHECK(e == errc::ok);
        if (e != errc::ok) CHECK(!s.gpu.load(whole_system::buffer));
        tap.disarm();
        s.works_and_ends();
        if (!failed) return struck;
        ++struck;
      }
    };
    auto const of_process = [](auto& s) -> auto& {
      return breaker_of(s.process);
    };
    auto const of_gpu = [](auto& s) -> auto& {
      return breaker_of(s.gpu);
    };
    auto const of_vram = [](auto& s) -> auto& {
      return breaker_of(s.vram);
    };
    for (model_call const c : {model_call::get_user, model_call::find_vma, model_call::fault_in,
                               model_call::register_notifier, model_call::collect})
      CHECK(run(of_process, c) > 0);
    for (model_call const c : {model_call::dma_map, model_call::prepare}) CHECK(run(of_gpu, c) > 0);
    for (model_call const c : {model_call::allocate, model_call::pages, model_call::copy_to_device, model_call::map})
      CHECK(run(of_vram, c) > 0);
  }
  TEST_CASE("a call fails with the error that was asked for, once or from then on, and no other call does") {
    svm::heap heap;
    tiny::memory memory{heap};
    svm::port::failing<tiny::vram> vram{memory, 1_MiB};
    vram.tap().fail(model_call::allocate, 2, errc::device_gone);
    auto one = vram.allocate(4_KiB);
    CHECK(one);
    CHECK(vram.allocate(4_KiB).error() == errc::device_gone);
    CHECK(vram.wait_cleared(*one) == errc::ok);
    auto two = vram.allocate(4_KiB);
    CHECK(two);
    CHECK(vram.tap().struck() == 1);
    vram.tap().fail(model_call::wait_cleared, 2, svm::port::usual_error(model_call::wait_cleared), true);
    CHECK(vram.wait_cleared(*one) == errc::ok);
    for (int i = 0; i < 3; ++i) CHECK(vram.wait_cleared(*one) == errc::copy_failed);
    vram.tap().disarm();
    CHECK(vram.wait_cleared(*one) == errc::ok);
    CHECK(vram.tap().struck() == 4);
    vram.release(*one);
    vram.release(*two);

    svm::port::failing<tiny::process> process{memory, 1u};
    process.tap().fail(model_call::get_user, 1);
    CHECK(!process.get_user());
    CHECK(process.get_user());
    process.put_user();
    process.exit();
  }
  TEST_CASE("decorators stand on each other: the outer ones see what the inner one made fail") {
    whole_system s;
    breaker_of(s.vram).fail(model_call::copy_to_device, 1);
    list_log log;
    log_of(s.vram).to(&log);
    CHECK(s.fault() == errc::ok);  // from system memory
    log_of(s.vram).to(nullptr);
    CHECK(counter_of(s.vram).of(model_call::copy_to_device) == 1);
    CHECK(breaker_of(s.vram).struck() == 1);
    CHECK(log.ended[log.place(model_call::copy_to_device)].second == errc::copy_failed);
    CHECK(s.vram.available() == s.vram.capacity());
    s.works_and_ends();
  }
  TEST_CASE("a fault that finds no VMA, which is there the next time, is served where nothing migrates") {
    whole_system s{{.migrate = svm::migration_mode::never}};
    s.process.mmap({s.buffer + 64_KiB, 64_KiB}, svm::page_order{4});
    CHECK(s.fault() == errc::ok);  // makes the notifier
    breaker_of(s.process).fail(model_call::find_vma, 1, errc::no_vma);
    CHECK(s.driver.fault(s.buffer + 64_KiB, svm::access_kind::read) == errc::ok);
    CHECK(breaker_of(s.process).struck() == 1);
    s.process.munmap(s.buffer + 64_KiB);
    s.works_and_ends();
  }
  TEST_CASE("a log hears of each call when it begins and when it ends, inner ones first, with the error") {
    whole_system s;
    list_log log;
    log_of(s.process).to(&log);
    log_of(s.gpu).to(&log);
    log_of(s.vram).to(&log);
    CHECK(s.fault() == errc::ok);
    CHECK(log.open.empty());
    std::array const order{model_call::find_vma,       model_call::register_notifier,
                           model_call::allocate,       model_call::collect,
                           model_call::copy_to_device, model_call::install,
                           model_call::fault_in,       model_call::map,
                           model_call::prepare,        model_call::commit};
    for (std::size_t i = 1; i < order.size(); ++i) CHECK(log.place(order[i - 1]) < log.place(order[i]));
    for (auto const& [c, e] : log.ended) CHECK(e == errc::ok);
    log.ended.clear();
    CHECK(s.driver.fault(svm::cpu_va{0x20000000}, svm::access_kind::read) == errc::no_vma);
    CHECK(log.ended[log.place(model_call::find_vma)].second == errc::no_vma);
    log.ended.clear();
    CHECK(s.process.load(s.buffer) == 42);  // a CPU fault
    CHECK(log.place(model_call::invalidate) < log.place(model_call::collect_pages));
    log_of(s.process).to(nullptr);
    log_of(s.gpu).to(nullptr);
    log_of(s.vram).to(nullptr);
    log.ended.clear();
    s.works_and_ends();
    CHECK(log.ended.empty());
  }
  TEST_CASE("a text log indents what happens inside of a call, and says what failed and why") {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file{std::tmpfile(), std::fclose};
    REQUIRE(file != nullptr);
    svm::port::text_log log{file.get()};
    log.begins(model_call::fault_in);
    log.begins(model_call::copy_to_system);
    log.ends(model_call::copy_to_system, errc::copy_failed);
    log.ends(model_call::fault_in, errc::ok);
    log.begins(model_call::put_user);
    log.ends(model_call::put_user, errc::ok);
    CHECK(read_all(file.get()) ==
          "fault_in\n"
          "  copy_to_system\n"
          "  copy_to_system failed: the copy engine reported an error\n"
          "put_user\n");
  }
}
