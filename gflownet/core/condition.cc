#include "gflownet/core/condition.h"

#include "gflownet/base/digest.h"

namespace gfn {

std::string ConditionId::ToString() const { return DigestToHex(value); }

StatusOr<ConditionId> ParseConditionId(std::string_view text) {
  ASSIGN_OR_RETURN(const uint64_t value, DigestFromHex(text));
  return ConditionId{value};
}

ConditionId HashCondition(std::string_view canonical) { return ConditionId{HashText(canonical)}; }

StatusOr<ConditionId> ConditionTable::Insert(std::string canonical) {
  const ConditionId id = HashCondition(canonical);
  const auto [place, is_new] = index_.try_emplace(id, size());
  if (!is_new) {
    const std::string& known = contents_[place->second];
    if (known == canonical) return id;
    return InvalidArgument("two different conditions have the hash " + id.ToString() + ": '" + known.substr(0, 80) + "' and '" +
                           canonical.substr(0, 80) + "'; change one of them (a space is enough)");
  }
  ids_.push_back(id);
  contents_.push_back(std::move(canonical));
  return id;
}

int64_t ConditionTable::Index(ConditionId id) const {
  const auto place = index_.find(id);
  GFN_CHECK(place != index_.end()) << "condition " << id.ToString() << " is not among the " << size()
                                   << " conditions of the table";
  return place->second;
}

ConditionId Unconditional() { return HashCondition(""); }

std::vector<ConditionId> Repeat(ConditionId id, int64_t times) {
  return std::vector<ConditionId>(static_cast<size_t>(times), id);
}

}  // namespace gfn
