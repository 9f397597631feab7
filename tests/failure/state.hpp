// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>

#include <svm/index/chunk_node.hpp>
#include <svm/index/index_node.hpp>

#include <support/world.hpp>

namespace support {

/// The parts of what can be observed of a machine.
enum class part : std::uint8_t {
  contents,    ///< every byte of every VMA: memory that nobody touched is zeros
  vmas,        ///< extents, protections, kinds
  references,  ///< users of the address space
  attributes,  ///< what was said of every page
  places,      ///< of each page: absent, system memory, or which device
  frames,      ///< of each page: which frame
  ranges,      ///< extents and flags
  notifiers,   ///< extents, and how many registrations there are
  mappings,    ///< the GPUs' page tables, DMA mappings, and what each range has mapped
  vram,        ///< device memory in use, and charged
  ledger,      ///< bookkeeping memory, but for spare index nodes
};
inline constexpr std::size_t parts = 11;
inline constexpr char const* part_names[parts] = {"contents", "vmas",   "references", "attributes",
                                                  "places",   "frames", "ranges",     "notifiers",
                                                  "mappings", "vram",   "ledger"};

/// A set of parts.
using part_set = std::uint32_t;
template <class... Part>
[[nodiscard]] constexpr part_set set_of(Part... p) {
  return (0u | ... | (1u << static_cast<unsigned>(p)));
}
/// What a fault can rebuild; it may change whatever the outcome.
inline constexpr part_set gpu_side = set_of(part::mappings);
/// Where memory lies.
inline constexpr part_set placement = set_of(part::places, part::frames, part::vram, part::ledger) | gpu_side;

/// A hash of each part of a machine's state, taken without any access that could change it.
class state {
 public:
  explicit state(world& w) {
    for (machine::task& t : w.tasks()) {
      look_at_memory(w, t);
      mix(part::references, t.process.users());
      mix(part::notifiers, t.process.watchers().registered());
      for (auto const& v : t.views) look_at_driver(*v);
    }
    for (std::size_t n = 0; n < w.gpus(); ++n) {
      mix(part::mappings, w.gpu_card(n).dma.live());
      mix(part::vram, w.gpu_card(n).memory.used().value);
    }
    blocks_ = w.memory.live_blocks();
    bytes_ = w.memory.live_bytes();
    for (std::size_t n = 0; n < w.gpus(); ++n) {  // what a migrator keeps for the next migration owes nobody anything
      auto const& kept = w.gpu_card(n).mover.kept().arrays();
      blocks_ -= kept.capacity() != 0 ? 1 : 0;
      bytes_ -= kept.capacity() != 0 ? kept.bytes(kept.capacity()) : 0;
    }
  }

  /// The parts in which this state differs from each of some others, of those that are not in `ignored`.
  [[nodiscard]] std::string difference_from(std::initializer_list<state const*> others, part_set ignored) const {
    std::string all;
    for (std::size_t i = 0; i < parts; ++i) {
      bool const same = std::ranges::any_of(others, [&](state const* o) {
        return static_cast<part>(i) == part::ledger ? owes_only_nodes(*o) : hash_[i] == o->hash_[i];
      });
      if (!same && (ignored >> i & 1) == 0) all += (all.empty() ? "" : ", ") + std::string{part_names[i]};
    }
    return all;
  }

 private:
  void mix(part p, std::uint64_t word) {
    std::uint64_t& h = hash_[static_cast<std::size_t>(p)];
    h = (h ^ word) * 0x9e3779b97f4a7c15 + (h >> 31);
  }
  void mix(part p, va_range span) {
    mix(p, span.start().value);
    mix(p, span.size().value);
  }

  void look_at_memory(world& w, machine::task& t) {
    for (auto const& [start, v] : t.process.vmas().all()) {
      mix(part::vmas, v.extent);
      mix(part::vmas, static_cast<std::uint64_t>(v.allowed) << 8 | static_cast<std::uint64_t>(v.kind));
      for (byte_count done{}; done < v.extent.size(); done += machine::page_size) {
        cpu_va const a = v.extent.start() + done;
        pte const e = t.process.entry_at(a);
        bool const none = !e.has_page();
        mix_bytes(none ? nullptr : w.frames.bytes(e.target, false));
        bool const absent = none || w.frames.is_zero(e.target);
        bool const device = !absent && w.frames.is_device(e.target);
        mix(part::places, absent ? 0 : device ? 2 + w.frames.gpu_of(e.target) : 1);
        mix(part::frames, none ? 0 : std::uint64_t{e.target.generation} << 32 | e.target.frame);
        for (auto const& view : t.views) {
          svm::span_attributes const said = view->driver.attributes_at(a);
          mix(part::attributes, static_cast<std::uint64_t>(said.preferred) << 16 |
                                    static_cast<std::uint64_t>(said.policy) << 8 |
                                    static_cast<std::uint64_t>(said.atomic));
        }
      }
    }
  }
  /// Null is a page of zeros.
  void mix_bytes(std::byte const* bytes) {
    std::uint64_t h = 1;
    for (std::size_t i = 0; i < page_bytes; i += sizeof h) {
      std::uint64_t word = 0;
      if (bytes != nullptr) std::memcpy(&word, bytes + i, sizeof word);
      h = (h ^ word) * 0x9e3779b97f4a7c15;
    }
    mix(part::contents, h);
  }

  void look_at_driver(machine::view& v) {
    svm::gpusvm<policies>& svm = v.driver.svm();
    svm.for_each_notifier(world::everything, [&](auto& n) { mix(part::notifiers, n.interval()); });
    svm.for_each_range(world::everything, [&](svm::range<policies> const& r) {
      using enum svm::range_flag;
      mix(part::ranges, r.interval());
      mix(part::ranges, (r.has(unmapped) ? 1u : 0u) | (r.has(partial_unmap) ? 2u : 0u) | (r.has(removed) ? 4u : 0u) |
                            (r.is_migratable() ? 8u : 0u));
      for (auto const flag : {svm::page_flag::mapped, svm::page_flag::valid, svm::page_flag::device,
                              svm::page_flag::system, svm::page_flag::peer, svm::page_flag::read_only})
        mix(part::mappings, r.mapping().has(flag) ? 1 : 0);
    });
    v.device.for_each_mapping(world::everything, [&](auto const& m) {
      mix(part::mappings, m.at.value | (m.writable ? 1 : 0) | static_cast<std::uint64_t>(m.path) << 1);
    });
    mix(part::attributes, v.driver.attribute_count());
    if (auto* const account = v.driver.account()) mix(part::vram, account->used().value);
  }

  /// True when the bookkeeping memory is what it was, but for index nodes that wait in a pool for the next insertion.
  [[nodiscard]] bool owes_only_nodes(state const& before) const {
    constexpr std::uint64_t node = sizeof(svm::detail::index_node<16>);
    constexpr std::uint64_t bucket = sizeof(svm::detail::chunk_bucket<svm::detail::readers_lock>);
    constexpr std::uint64_t table = sizeof(svm::detail::chunk_table<svm::detail::readers_lock>);
    if (blocks_ < before.blocks_ || bytes_ < before.bytes_) return false;
    std::uint64_t const blocks = blocks_ - before.blocks_;
    std::uint64_t const bytes = bytes_ - before.bytes_;
    for (std::uint64_t tables = 0; tables <= blocks; ++tables)
      for (std::uint64_t buckets = 0; buckets <= blocks - tables; ++buckets)
        if (tables * table + buckets * bucket + (blocks - tables - buckets) * node == bytes) return true;
    return false;
  }

  std::array<std::uint64_t, parts> hash_{};
  std::uint64_t blocks_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace support
