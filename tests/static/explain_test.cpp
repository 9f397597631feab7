// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What is recognised of the optional parts, and half of one. The sentences themselves are checked in compile_fail/.

#include <static/archetypes.hpp>
#include <support/machine.hpp>

#include <svm/concepts/explain.hpp>

#include <doctest/doctest.h>

#include <span>
#include <string>
#include <vector>

using archetypes::full_device;
using archetypes::full_pagemap;
using archetypes::page;

template <class P>
std::vector<std::string> recognised() {
  std::vector<std::string> names;
  for (svm::optional_part const& part : svm::optional_parts<P>())
    if (part.recognised) names.push_back(part.name);
  return names;
}

template <class Device, class Pagemap = archetypes::pagemap>
struct with : archetypes::policies {
  using device = Device;
  using pagemap = Pagemap;
};

template <class Mm>
struct with_mm : archetypes::policies {
  using mm = Mm;
};

/// True for a model whose optional parts are whole.
template <class Device, class Pagemap = archetypes::pagemap>
constexpr bool is_whole = svm::explain<with<Device, Pagemap>, svm::on_missing::answer>();

namespace alone {
struct settling_mm : archetypes::mm {
  void settle() noexcept;
};
struct write_protecting_mm : archetypes::mm {
  void write_protect(svm::va_range, std::span<page>) noexcept;
  void put_pages(std::span<page const>) noexcept;
};
struct clearing_mm : archetypes::mm {
  void clear_page(page, svm::page_order) noexcept;
};
struct two_pass_device : archetypes::device {
  void begin_invalidate(svm::va_range) noexcept;
  void finish_invalidate(svm::va_range) noexcept;
};
struct queue_device : archetypes::device {
  void stop_queues() noexcept;
  void resume_queues() noexcept;
};
struct iova_device : archetypes::device {
  svm::result<svm::dma_addr> reserve_iova(svm::byte_count) noexcept;
  svm::errc link_iova(svm::dma_addr, svm::byte_count, page, svm::page_count, svm::dma_direction) noexcept;
  svm::errc sync_iova(svm::dma_addr, svm::byte_count) noexcept;
  void release_iova(svm::dma_addr, svm::byte_count, svm::byte_count, svm::dma_direction) noexcept;
};
struct noncoherent_device : archetypes::device {
  void sync_for_device(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept;
  void sync_for_system(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept;
};
struct coherent_pagemap : archetypes::pagemap {
  static constexpr bool is_coherent = true;
};
struct piecewise_pagemap : archetypes::pagemap {
  void release_pages(memory&, page, svm::page_order) noexcept;
};
}  // namespace alone

namespace halves {
struct settle_may_throw : archetypes::mm {
  void settle();
};
struct write_protect_alone : archetypes::mm {
  void write_protect(svm::va_range, std::span<page>) noexcept;
};
struct put_pages_alone : archetypes::mm {
  void put_pages(std::span<page const>) noexcept;
};
struct unmaps_by_a_function : archetypes::mm {
  static bool invalidates_before_unmap();
};
struct protection_not_constant : archetypes::mm {
  static bool const reports_protection;
};
struct destination_not_constant : archetypes::mm {
  static bool const collects_into_destination;
};
struct begin_alone : archetypes::device {
  void begin_invalidate(svm::va_range) noexcept;
};
struct finish_alone : archetypes::device {
  void finish_invalidate(svm::va_range) noexcept;
};
/// No address can be taken of it, but it can be called.
struct begin_overloaded : archetypes::device {
  void begin_invalidate(svm::va_range) noexcept;
  void begin_invalidate(int) noexcept;
};
struct neither_as_asked : archetypes::device {
  void begin_invalidate() noexcept;
  void finish_invalidate() noexcept;
};
struct stop_alone : archetypes::device {
  void stop_queues() noexcept;
};
struct resume_alone : archetypes::device {
  void resume_queues() noexcept;
};
struct reserve_alone : archetypes::device {
  svm::result<svm::dma_addr> reserve_iova(svm::byte_count) noexcept;
};
struct release_may_throw : full_device {
  void release_iova(svm::dma_addr, svm::byte_count, svm::byte_count, svm::dma_direction);
};
struct sync_for_device_alone : archetypes::device {
  void sync_for_device(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept;
};
struct sync_for_system_alone : archetypes::device {
  void sync_for_system(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept;
};
struct release_pages_may_throw : archetypes::pagemap {
  void release_pages(memory&, page, svm::page_order);
};
struct coherent_by_a_function : archetypes::pagemap {
  static bool is_coherent();
};
struct coherent_not_constant : archetypes::pagemap {
  static bool const is_coherent;
};
struct says_it_is_not_coherent : archetypes::pagemap {
  static constexpr bool is_coherent = false;
};
}  // namespace halves

static_assert(is_whole<archetypes::device> && is_whole<full_device, full_pagemap>);
static_assert(is_whole<archetypes::device, halves::says_it_is_not_coherent>);

static_assert(!svm::explain<with_mm<halves::settle_may_throw>, svm::on_missing::answer>());
static_assert(!svm::explain<with_mm<halves::write_protect_alone>, svm::on_missing::answer>());
static_assert(!svm::explain<with_mm<halves::put_pages_alone>, svm::on_missing::answer>());
static_assert(!svm::explain<with_mm<halves::unmaps_by_a_function>, svm::on_missing::answer>());
static_assert(!svm::explain<with_mm<halves::protection_not_constant>, svm::on_missing::answer>());
static_assert(!svm::explain<with_mm<halves::destination_not_constant>, svm::on_missing::answer>());
static_assert(svm::explain<with_mm<archetypes::full_mm>>());

static_assert(!is_whole<halves::begin_alone> && !is_whole<halves::finish_alone>);
static_assert(!is_whole<halves::begin_overloaded> && !is_whole<halves::neither_as_asked>);
static_assert(!is_whole<halves::stop_alone> && !is_whole<halves::resume_alone>);
static_assert(!is_whole<halves::reserve_alone> && !is_whole<halves::release_may_throw>);
static_assert(!is_whole<halves::sync_for_device_alone> && !is_whole<halves::sync_for_system_alone>);
static_assert(!is_whole<archetypes::device, halves::release_pages_may_throw>);
static_assert(!is_whole<archetypes::device, halves::coherent_by_a_function>);
static_assert(!is_whole<archetypes::device, halves::coherent_not_constant>);

// Half a part leaves a model of the concept: nobody but the explanation says a word of it.
static_assert(svm::migrating_policies<with<halves::begin_alone>>);
static_assert(svm::migrating_policies<with<archetypes::device, halves::release_pages_may_throw>>);

static_assert(svm::explain<support::policies>());
static_assert(svm::optional_parts<archetypes::full_policies>()[0].recognised);

TEST_SUITE_BEGIN("concepts/explain");

TEST_CASE("a bundle without optional parts has none recognised, one with all of them all") {
  CHECK(recognised<archetypes::policies>().empty());
  CHECK(recognised<archetypes::full_policies>() ==
        std::vector<std::string>{"settling_mm", "write_protecting_mm", "clearing_mm", "two_pass_device", "queue_device",
                                 "iova_device", "noncoherent_device", "coherent_pagemap", "piecewise_pagemap"});
}

TEST_CASE("the simulated machine has every part but a coherent pagemap, unless it is asked for one") {
  CHECK(recognised<support::policies>() == std::vector<std::string>{"write_protecting_mm", "clearing_mm",
                                                                    "two_pass_device", "queue_device", "iova_device",
                                                                    "noncoherent_device", "piecewise_pagemap"});
  CHECK(recognised<svm::mock::machine_policies<support::lock_policy, 4096, true>>() ==
        std::vector<std::string>{"write_protecting_mm", "clearing_mm", "two_pass_device", "queue_device", "iova_device",
                                 "noncoherent_device", "coherent_pagemap", "piecewise_pagemap"});
}

TEST_CASE("a part is recognised alone") {
  CHECK(recognised<with_mm<alone::settling_mm>>() == std::vector<std::string>{"settling_mm"});
  CHECK(recognised<with_mm<alone::write_protecting_mm>>() == std::vector<std::string>{"write_protecting_mm"});
  CHECK(recognised<with_mm<alone::clearing_mm>>() == std::vector<std::string>{"clearing_mm"});
  CHECK(recognised<with<alone::two_pass_device>>() == std::vector<std::string>{"two_pass_device"});
  CHECK(recognised<with<alone::queue_device>>() == std::vector<std::string>{"queue_device"});
  CHECK(recognised<with<alone::iova_device>>() == std::vector<std::string>{"iova_device"});
  CHECK(recognised<with<alone::noncoherent_device>>() == std::vector<std::string>{"noncoherent_device"});
  CHECK(recognised<with<archetypes::device, alone::coherent_pagemap>>() ==
        std::vector<std::string>{"coherent_pagemap"});
  CHECK(recognised<with<archetypes::device, alone::piecewise_pagemap>>() ==
        std::vector<std::string>{"piecewise_pagemap"});
}

TEST_SUITE_END();
