// Damaged files by the thousand: every mutant of a good file is read or refused with a message, and nothing else happens. Mutants
// are addressed draws, so the same ones come in every run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "gflownet/base/rng.h"
#include "gflownet/base/status.h"

namespace gfn {

// A copy with one to four changes: a byte set, a bit flipped, bytes removed, doubled, copied from elsewhere, cut off at the end,
// or numbers at the limits of their type. Half of the changes fall into the first 2,048 bytes, where the structure of most
// formats is.
std::string Mutate(std::string bytes, const RngKey& key, uint64_t trial);

// How many mutants of each format a test tries: `normal`, or what GFN_FUZZ_MUTANTS says (tools/fuzz sets it).
int64_t NumMutants(int64_t normal = 300);

struct FuzzOutcome {
  int64_t num_read = 0, num_refused = 0;
};

// Writes mutants of `content` to `path` and lets `read` read each; the good file must be readable. Prints what happened in one
// line, which tools/fuzz adds up. After a crash the mutant is still in `path`, and a sanitizer's report ends with its number.
FuzzOutcome Fuzz(const std::string& path, const std::string& content, uint64_t seed, const std::function<Status()>& read);

}  // namespace gfn
