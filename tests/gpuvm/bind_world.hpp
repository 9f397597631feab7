// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/op_list.hpp>
#include <svm/gpuvm/vm_bo.hpp>
#include <svm/std/null_lock.hpp>

#include "support/ledger_allocator.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <utility>

namespace bind_test {

/// Hands out memory full of rubbish, so that whoever forgets to set a field is found out.
struct poisoned_memory : support::ledger_allocator {
  [[nodiscard]] std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    std::byte* const memory = support::ledger_allocator::allocate(size, alignment);
    if (memory != nullptr) std::memset(memory, 0xa5, size);
    return memory;
  }
};

struct mapping;
struct object;
struct types {
  using mapping = bind_test::mapping;
  using object = bind_test::object;
  using lock = svm::null_lock;
  using allocator = poisoned_memory;
};
struct mapping : svm::gpu_mapping<types> {};
struct object {
  char name;
  bool locked = true;
  void assert_mappings_locked() const { SVM_ASSERT(locked); }
};

using space = svm::gpuvm<types>;
using extent = svm::gpu_extent<types>;
using list = svm::gpuvm_op_list<types>;
using bo = svm::gpuvm_bo<types>;
using operation = svm::gpuvm_operation<types>;

/// The unit of addresses and offsets in texts.
inline constexpr std::uint64_t unit = 0x10000;

inline svm::gpu_va va(std::uint64_t units) {
  return {units * unit};
}
inline svm::byte_count bytes(std::uint64_t units) {
  return {units * unit};
}

inline std::string text(std::uint64_t value) {
  return value % unit == 0 ? std::to_string(value / unit) : std::to_string(value) + "B";
}
/// `a 0-2@5`: object a from unit 0 to unit 2, from offset 5 on; `-` is no object.
inline std::string text(extent const& e) {
  return std::string(1, e.object == nullptr ? '-' : e.object->name) + " " + text(e.start.value) + "-" +
         text(e.start.value + e.size.value) + "@" + text(e.offset);
}
inline std::string text(svm::map_operation<types> const& o) {
  return "map(" + text(o.extent) + ")";
}
inline std::string text(svm::unmap_operation<types> const& o) {
  return "unmap(" + text(o.old) + (o.keep ? " keep)" : ")");
}
inline std::string text(svm::remap_operation<types> const& o) {
  std::string t = "remap(" + text(o.old) + (o.keep ? " keep" : "");
  if (o.has_prev()) t += " prev=" + text(o.prev_extent());
  if (o.has_next()) t += " next=" + text(o.next_extent());
  return t + ")";
}
inline std::string text(svm::prefetch_operation<types> const& o) {
  return "prefetch(" + text(o.mapping->extent()) + ")";
}
inline std::string text(svm::driver_operation<types> const& o) {
  return "driver(" + std::to_string(o.code) + ")";
}
inline std::string text(operation const& op) {
  if (auto const* s = op.as_map()) return text(*s);
  if (auto const* s = op.as_remap()) return text(*s);
  if (auto const* s = op.as_unmap()) return text(*s);
  if (auto const* s = op.as_prefetch()) return text(*s);
  return text(*op.as_driver());
}
inline std::string text(list const& l) {
  std::string t;
  for (operation const& op : l) t += (t.empty() ? "" : " ") + text(op);
  return t;
}

/// A space, its objects, and a driver that makes and frees mappings and writes down what it is asked for.
class world {
 public:
  explicit world(svm::gpuvm_layout const& layout = *svm::gpuvm_layout::make({0}, {std::uint64_t{1} << 48}))
      : vm(layout, memory) {}
  ~world() {
    vm.for_each([this](mapping& m) { take_out(m); });
    for (mapping* m : live) delete m;
  }

  mapping& make() {
    auto* const m = new mapping;
    live.insert(m);
    return *m;
  }
  void free(mapping& m) {
    live.erase(&m);
    delete &m;
  }
  void take_out(mapping& m) {
    vm.remove(m);
    bo::unlink(m);
    free(m);
  }

  /// Puts units [start, end) of `o` into the space.
  mapping& put(object* o, std::uint64_t start, std::uint64_t end, std::uint64_t offset = 0) {
    return put(extent{va(start), bytes(end - start), o, offset * unit});
  }
  mapping& put(extent const& e) {
    mapping& m = make();
    m.set_extent(e);
    inserted = vm.insert(m);
    return m;
  }

  svm::errc map(object* o, std::uint64_t start, std::uint64_t end, std::uint64_t offset = 0) {
    return vm.sm_map(*this, {va(start), bytes(end - start), o, offset * unit}).error();
  }
  svm::errc unmap(std::uint64_t start, std::uint64_t end) {
    return vm.sm_unmap(*this, va(start), bytes(end - start)).error();
  }

  /// What is mapped, in order.
  std::string picture() const {
    std::string t;
    vm.for_each([&](mapping& m) { t += (t.empty() ? "" : ", ") + text(m.extent()); });
    return t;
  }
  /// A hash of every mapping: which object it is, its extent, and its place in the order.
  std::uint64_t hash() const {
    std::uint64_t h = 1;
    auto const mix = [&h](std::uint64_t word) { h = (h ^ word) * 0x9e3779b97f4a7c15 + (h >> 31); };
    vm.for_each([&](mapping& m) {
      mix(reinterpret_cast<std::uintptr_t>(&m));
      mix(reinterpret_cast<std::uintptr_t>(m.object()));
      mix(m.start().value);
      mix(m.size().value);
      mix(m.offset());
      mix(static_cast<std::uint64_t>(m.flags()));
    });
    return h;
  }

  // The driver of the callback form: it takes each step at once.

  svm::errc map(svm::map_step<types>& s) {
    if (refused(text(*s))) return svm::errc::device_gone;
    mapping& m = make();
    svm::errc const e = vm.map(s, m);
    if (e != svm::errc::ok) free(m);
    return e;
  }
  svm::errc unmap(svm::unmap_step<types>& s) {
    if (refused(text(*s))) return svm::errc::device_gone;
    vm.unmap(s);
    bo::unlink(*s->mapping);
    free(*s->mapping);
    return svm::errc::ok;
  }
  svm::errc remap(svm::remap_step<types>& s) {
    if (refused(text(*s))) return svm::errc::device_gone;
    bool const both = s->has_prev() && s->has_next();
    mapping* const prev = s->has_prev() ? &make() : nullptr;
    mapping* const next = both || (s->has_next() && !in_place) ? &make() : s->next;
    mapping* const first = in_place ? s->prev : prev;
    if (in_place && prev != nullptr) free(*prev);
    mapping& old = *s->mapping;
    svm::errc const e = vm.remap(s, first, next);
    if (e == svm::errc::ok && !in_place) free(old);
    return e;
  }

  /// True when the step is the one to refuse; else it is written down.
  bool refused(std::string const& step) {
    if (++steps == fail_at) return true;
    log += (log.empty() ? "" : " ") + step;
    return false;
  }

  poisoned_memory memory;
  std::set<mapping*> live;
  space vm;
  object a{'a'}, b{'b'}, c{'c'};
  std::string log;
  std::uint64_t steps = 0;
  std::uint64_t fail_at = 0;  // the step, counted from 1, that is refused; 0: none
  bool in_place = true;       // a mapping that is cut becomes one of its parts
  svm::errc inserted = svm::errc::ok;
};

/// The driver of the list form: it names mappings, and the library takes the steps.
class list_driver {
 public:
  explicit list_driver(world& of) : world_(of) {}

  svm::errc map(svm::map_operation<types>& s) {
    if (world_.refused(text(s))) return svm::errc::device_gone;
    s.mapping = &world_.make();
    return svm::errc::ok;
  }
  svm::errc unmap(svm::unmap_operation<types>& s) {
    return world_.refused(text(s)) ? svm::errc::device_gone : svm::errc::ok;
  }
  svm::errc remap(svm::remap_operation<types>& s) {
    if (world_.refused(text(s))) return svm::errc::device_gone;
    if (s.has_prev() && (!world_.in_place || s.prev == nullptr)) s.prev = &world_.make();
    if (s.has_next() && (!world_.in_place || s.next == nullptr)) s.next = &world_.make();
    return svm::errc::ok;
  }
  svm::errc prefetch(svm::prefetch_operation<types>& s) {
    return world_.refused(text(s)) ? svm::errc::device_gone : svm::errc::ok;
  }
  svm::errc perform(svm::driver_operation<types>& s) {
    return world_.refused(text(s)) ? svm::errc::device_gone : svm::errc::ok;
  }
  void undo(operation& op) {
    world_.log += " undo:" + text(op);
    if (auto* s = op.as_map()) world_.free(*std::exchange(s->mapping, nullptr));
    if (auto* s = op.as_remap()) {
      if (s->has_prev() && s->prev != s->mapping) world_.free(*s->prev);
      if (s->has_next() && s->next != s->mapping) world_.free(*s->next);
    }
  }
  /// After a list is applied for good.
  void free_released(list& applied) {
    for (operation& op : applied)
      if (mapping* const m = op.released()) {
        bo::unlink(*m);
        world_.free(*m);
      }
  }

 private:
  world& world_;
};

}  // namespace bind_test
