// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The one place where the library is instantiated with the simulated machine under the explorer.

#include <explore/races/race.hpp>

template class svm::mock::machine<races::lock_policy, 4096, false, svm::mock::drivers::all>;
template class svm::mock::address_space<races::lock_policy>;
template class svm::mock::gpu<races::lock_policy>;
template class svm::mock::vram<races::lock_policy>;
template class svm::mock::iommu<races::lock_policy>;
template class svm::mock::notifiers<races::lock_policy>;
template class svm::mock::physical_memory<races::lock_policy>;
template class svm::gpusvm<races::policies>;
template class svm::notifier<races::policies>;
template class svm::range<races::policies>;
template class svm::locked_range<races::policies>;
template class svm::device_mapping<races::policies>;
template class svm::migrator<races::policies>;
template class svm::devmem<races::policies>;
template class svm::zdd<races::policies>;
template class svm::detail::transfer<races::policies>;
template class svm::driver_base<races::policies>;
template class svm::svm_driver<races::policies>;
template class svm::queue_driver<races::policies>;
template class svm::detail::kept_spans<races::policies>;
template class svm::block_service<races::policies>;
template class svm::garbage_collector<races::policies>;
template class svm::mapped_buffer<races::policies>;
template class svm::attribute_map<races::policies>;
template class svm::detail::migration_to_system<races::policies>;
