#include "llm/model/forest.h"

#include <algorithm>

#include "gflownet/base/check.h"

namespace gfn {

int32_t Forest::Add(int32_t parent, int32_t offset, std::span<const int32_t> tokens) {
  GFN_CHECK_LT(parent, static_cast<int32_t>(segments_.size()));
  GFN_CHECK(parent < 0 ? offset == 0 : offset >= 0 && offset <= static_cast<int32_t>(segments_[parent].tokens.size()))
      << "offset " << offset << " in parent " << parent;
  const int32_t id = static_cast<int32_t>(segments_.size());
  segments_.push_back({parent, offset, {tokens.begin(), tokens.end()}});
  children_.emplace_back();
  if (parent >= 0) children_[parent].push_back({offset, id});
  num_tokens_ += static_cast<int64_t>(tokens.size());
  return id;
}

int32_t Forest::FindChild(int32_t segment, int32_t offset, int32_t token) const {
  for (const Child& child : children_[segment]) {
    const auto& tokens = segments_[child.segment].tokens;
    if (child.offset == offset && !tokens.empty() && tokens[0] == token) return child.segment;
  }
  return -1;
}

std::vector<Forest::Place> Forest::AddPath(int32_t parent, int32_t offset, std::span<const int32_t> tokens, bool share) {
  std::vector<Place> places;
  places.reserve(tokens.size());
  int32_t segment = parent, at = offset;  // the path so far ends after `at` tokens of `segment`
  size_t next = 0;
  while (share && next < tokens.size()) {
    const int32_t child = FindChild(segment, at, tokens[next]);
    if (child < 0) break;
    const auto& known = segments_[child].tokens;
    int32_t same = 0;
    while (next < tokens.size() && same < static_cast<int32_t>(known.size()) && known[same] == tokens[next]) {
      places.push_back({child, same++});
      ++next;
    }
    segment = child;
    at = same;
  }
  if (next < tokens.size()) {
    const int32_t fresh = Add(segment, at, tokens.subspan(next));
    for (int32_t i = 0; next < tokens.size(); ++i, ++next) places.push_back({fresh, i});
  }
  return places;
}

PackedForest PackForest(const Forest& forest) {
  PackedForest packed;
  const auto& segments = forest.segments();
  packed.token_ids.reserve(forest.num_tokens());
  packed.positions.reserve(forest.num_tokens());
  packed.num_keys = forest.num_tokens();
  std::vector<int32_t> depth(segments.size());  // position of a segment's first token
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    const int32_t start = static_cast<int32_t>(packed.token_ids.size());
    const int32_t count = static_cast<int32_t>(segment.tokens.size());
    depth[s] = segment.parent < 0 ? 0 : depth[segment.parent] + segment.offset;
    packed.starts.push_back(start);
    packed.token_ids.insert(packed.token_ids.end(), segment.tokens.begin(), segment.tokens.end());
    for (int32_t i = 0; i < count; ++i) packed.positions.push_back(depth[s] + i);
    const int32_t range_begin = static_cast<int32_t>(packed.ranges.size());
    for (int32_t child = static_cast<int32_t>(s); segments[child].parent >= 0; child = segments[child].parent) {
      if (segments[child].offset > 0) packed.ranges.push_back({packed.starts[segments[child].parent], segments[child].offset});
    }
    std::reverse(packed.ranges.begin() + range_begin, packed.ranges.end());  // from the root down
    if (count > 0) {
      packed.blocks.push_back({start, count, start, range_begin, static_cast<int32_t>(packed.ranges.size()) - range_begin});
    }
  }
  return packed;
}

}  // namespace gfn
