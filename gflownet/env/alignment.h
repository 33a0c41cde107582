// Aligned sequences of nucleotides from FASTA files, for phylogenies.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gflownet/base/status.h"

namespace gfn {

struct Alignment {
  std::vector<std::string> names;
  // Of each sequence, a site as a set of bits: A 1, C 2, G 4, T and U 8. Ambiguity codes of IUPAC are sets of several, a gap (- .
  // ? N) is all of them, since parsimony lets it be any.
  std::vector<std::vector<uint8_t>> sites;
};

// Records ">name" with their sequence in the lines behind it; two or more, all of one length. DataLoss with file and line
// otherwise.
StatusOr<Alignment> ReadAlignment(const std::string& path);
// The text that ReadAlignment reads back.
std::string WriteAlignment(const Alignment& alignment);

}  // namespace gfn
