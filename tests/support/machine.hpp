// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/machine/machine.hpp>
#include <svm/svm.hpp>

namespace support {

/// The simulated machine with one thread; who uses it instantiates it once.
using lock_policy = svm::mock::rank_checked<svm::null_lock>;
using policies = svm::mock::machine_policies<lock_policy>;
using machine = svm::mock::machine<lock_policy>;

}  // namespace support

extern template class svm::mock::machine<support::lock_policy>;
extern template class svm::mock::address_space<support::lock_policy>;
extern template class svm::mock::gpu<support::lock_policy>;
extern template class svm::mock::vram<support::lock_policy>;
extern template class svm::mock::iommu<support::lock_policy>;
extern template class svm::mock::notifiers<support::lock_policy>;
extern template class svm::mock::physical_memory<support::lock_policy>;
extern template class svm::gpusvm<support::policies>;
extern template class svm::notifier<support::policies>;
extern template class svm::range<support::policies>;
extern template class svm::locked_range<support::policies>;
extern template class svm::device_mapping<support::policies>;
extern template class svm::migrator<support::policies>;
extern template class svm::devmem<support::policies>;
extern template class svm::zdd<support::policies>;
extern template class svm::transfer<support::policies>;
extern template class svm::driver_base<support::policies>;
extern template class svm::svm_driver<support::policies>;
extern template class svm::queue_driver<support::policies>;
extern template class svm::kept_spans<support::policies>;
extern template class svm::garbage_collector<support::policies>;
extern template class svm::mapped_buffer<support::policies>;
extern template class svm::attribute_map<support::policies>;
extern template class svm::attribute_span<support::policies>;
extern template class svm::device_account<support::policies>;
extern template class svm::migrator_cache<support::policies>;
extern template class svm::migrator_shrinker<support::policies>;
extern template class svm::migration_to_system<support::policies>;
