// For tests: reads HTML the way the report writes it (every attribute quoted, every element closed).
#pragma once

#include <string>
#include <string_view>

namespace gfn::report {

// "" if all tags are balanced, all attributes quoted, no "<" stands in text, every & begins a reference, ids are unique
// and links lead to them; else what is wrong and the text around it.
std::string FindMalformed(std::string_view html);

}  // namespace gfn::report
