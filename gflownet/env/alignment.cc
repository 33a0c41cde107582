#include "gflownet/env/alignment.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "gflownet/base/file_util.h"

namespace gfn {
namespace {

// The letter of a set of bits is its place; 0 is no set.
constexpr std::string_view kLetters = "?ACMGRSVTWYHKDBN";

// 0 for no letter of the alphabet.
uint8_t SetOf(char letter) {
  const char upper = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  if (upper == 'U') return 8;
  if (upper == '-' || upper == '.' || upper == '?' || upper == 'X') return 15;
  const size_t place = kLetters.find(upper);
  return place == kLetters.npos ? 0 : static_cast<uint8_t>(place);
}

}  // namespace

StatusOr<Alignment> ReadAlignment(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string content, ReadFile(path));
  Alignment alignment;
  std::vector<int64_t> lines;  // of the names
  std::string_view rest = content;
  const auto error = [&](int64_t line, const std::string& what) {
    return DataLoss(path + ":" + std::to_string(line) + ": " + what);
  };
  for (int64_t line = 1; !rest.empty(); ++line) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) text.remove_suffix(1);
    if (text.empty() || text.starts_with(';')) continue;
    if (text.starts_with('>')) {
      const std::string name(text.substr(1, text.find_first_of(" \t") - 1));
      if (name.empty()) return error(line, "expected a name behind '>'");
      if (std::find(alignment.names.begin(), alignment.names.end(), name) != alignment.names.end())
        return error(line, "a second sequence '" + name + "'");
      alignment.names.push_back(name);
      alignment.sites.emplace_back();
      lines.push_back(line);
      continue;
    }
    if (alignment.names.empty())
      return error(line, "expected a name that begins with '>', found '" + std::string(text.substr(0, 20)) + "'");
    for (const char letter : text) {
      if (std::isspace(static_cast<unsigned char>(letter)) != 0) continue;
      const uint8_t set = SetOf(letter);
      if (set == 0) return error(line, std::string("'") + letter + "' is no nucleotide (A C G T U, IUPAC codes, - for a gap)");
      alignment.sites.back().push_back(set);
    }
  }
  if (alignment.names.size() < 2)
    return DataLoss(path + ": expected two sequences or more, found " + std::to_string(alignment.names.size()));
  for (size_t i = 0; i < alignment.sites.size(); ++i) {
    const size_t expected = alignment.sites[0].size();
    if (alignment.sites[i].empty()) return error(lines[i], "'" + alignment.names[i] + "' has no sites");
    if (alignment.sites[i].size() != expected) {
      return error(lines[i], "'" + alignment.names[i] + "' has " + std::to_string(alignment.sites[i].size()) + " sites, '" +
                                 alignment.names[0] + "' " + std::to_string(expected) + ": the sequences are not aligned");
    }
  }
  return alignment;
}

std::string WriteAlignment(const Alignment& alignment) {
  std::string text;
  for (size_t i = 0; i < alignment.names.size(); ++i) {
    text += ">" + alignment.names[i] + "\n";
    for (const uint8_t set : alignment.sites[i]) text += kLetters[set];
    text += "\n";
  }
  return text;
}

}  // namespace gfn
