// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The usual machine, instantiated elsewhere: a program of several files compiles it once, in the one file that includes
/// <svm/mock/instance.hpp>, and includes this header in the others. A program of one file needs neither.

#include <svm/mock/usual.hpp>
#include <svm/svm.hpp>

namespace svm::inline v0 {

extern template class mock::machine<mock::usual_lock>;
extern template class mock::address_space<mock::usual_lock>;
extern template class mock::gpu<mock::usual_lock>;
extern template class mock::vram<mock::usual_lock>;
extern template class mock::iommu<mock::usual_lock>;
extern template class mock::notifiers<mock::usual_lock>;
extern template class port::notifier_list<mock::usual_lock>;
extern template class mock::physical_memory<mock::usual_lock>;
extern template class gpusvm<mock::usual_policies>;
extern template class notifier<mock::usual_policies>;
extern template class range<mock::usual_policies>;
extern template class locked_range<mock::usual_policies>;
extern template class device_mapping<mock::usual_policies>;
extern template class migrator<mock::usual_policies>;
extern template class devmem<mock::usual_policies>;
extern template class zdd<mock::usual_policies>;
extern template class detail::transfer<mock::usual_policies>;
extern template class driver_base<mock::usual_policies>;
extern template class svm_driver<mock::usual_policies>;
extern template class garbage_collector<mock::usual_policies>;
extern template class mapped_buffer<mock::usual_policies>;
extern template class attribute_map<mock::usual_policies>;
extern template class detail::attribute_span<mock::usual_policies>;
extern template class device_account<mock::usual_policies>;
extern template class migrator_cache<mock::usual_policies>;
extern template class migrator_shrinker<mock::usual_policies>;
extern template class detail::migration_to_system<mock::usual_policies>;

}  // namespace svm::inline v0
