// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/gpuvm/gpuvm.hpp>

// gpuvm::dump.

namespace svm::inline v0 {

template <class Types>
template <class Out>
requires text_sink<Out>
void gpuvm<Types>::dump(Out&& out) const {
  detail::line_writer line(out);
  line.text("gpuvm ").span(layout_.window());
  if (layout_.has_reserved()) line.text(", reserved ").span(layout_.reserved());
  line.text(", mappings: ").decimal(size()).end();
  for_each([&](mapping const& m) {
    line.text("  ").span(m.range());
    if (m.object() == nullptr)
      line.text(" without object");
    else
      line.text(" object ").address(m.object()).text(" at ").hex(m.offset());
    if (has_flags(m.flags(), mapping_flags::invalidated)) line.text(", invalidated");
    if (has_flags(m.flags(), mapping_flags::sparse)) line.text(", sparse");
    if (auto const own =
            static_cast<std::uint32_t>(m.flags()) & ~(static_cast<std::uint32_t>(mapping_flags::first_user) - 1);
        own != 0)
      line.text(", flags ").hex(own);
    line.end();
  });
}

}  // namespace svm::inline v0
