#include "llm/tokenizer/nfc.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>

#include "gflownet/base/check.h"

namespace gfn {

bool IsSurelyNfc(std::string_view text) {
  // U+0300 begins with byte CC; every byte of a smaller character is below it.
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0xCC; });
}

std::string ToNfc(std::string_view text) {
  utf8proc_uint8_t* composed = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()), static_cast<utf8proc_ssize_t>(text.size()), &composed,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(composed, &std::free);
  if (size == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  GFN_CHECK_GE(size, 0) << utf8proc_errmsg(size);  // the text is no UTF-8
  return {reinterpret_cast<const char*>(composed), static_cast<size_t>(size)};
}

}  // namespace gfn
