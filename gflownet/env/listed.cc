#include "gflownet/env/listed.h"

#include <utility>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

struct Found {
  std::vector<State> parts;
  std::vector<at::Tensor> keys;
  int64_t count = 0;

  // The rows of one layer where `chosen_B`, once each, in the order of their keys. Returns them.
  State Add(const State& layer, const at::Tensor& keys_B, const at::Tensor& chosen_B) {
    const at::Tensor rows_M = chosen_B.nonzero().squeeze(1);
    const auto [sorted_M, order_M] = keys_B.index_select(0, rows_M).sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
    at::Tensor is_first_M = at::ones_like(sorted_M, at::kBool);
    if (sorted_M.numel() > 1) is_first_M.slice(0, 1).copy_(sorted_M.slice(0, 1).ne(sorted_M.slice(0, 0, -1)));
    const at::Tensor first_F = is_first_M.nonzero().squeeze(1);
    State distinct = layer.Gather(rows_M.index_select(0, order_M.index_select(0, first_F)));
    if (first_F.numel() == 0) return distinct;
    parts.push_back(distinct);
    keys.push_back(sorted_M.index_select(0, first_F));
    count += first_F.numel();
    return distinct;
  }
};

}  // namespace

struct ListedEnvironment::Listing {
  // States with their numbers by key.
  class Catalogue {
   public:
    explicit Catalogue(const Found& found) : items_(State::Concatenate(found.parts)) {
      const auto [sorted, order] = at::cat(found.keys).sort();
      sorted_keys_N_ = sorted;
      numbers_N_ = order;
    }
    State At(const at::Tensor& index_B) const { return items_.Gather(index_B); }
    // Rows with a key that is not here get any number.
    at::Tensor IndexOf(const at::Tensor& keys_B) const {
      return numbers_N_.index_select(0, at::searchsorted(sorted_keys_N_, keys_B).clamp_max(numbers_N_.numel() - 1));
    }

   private:
    State items_;
    at::Tensor sorted_keys_N_, numbers_N_;
  };
  Catalogue states, objects;
};

ListedEnvironment::ListedEnvironment() = default;
ListedEnvironment::~ListedEnvironment() = default;

const ListedEnvironment::Listing& ListedEnvironment::GetListing() const {
  std::call_once(once_, [this] {
    const at::NoGradGuard no_grad;
    const std::string& name = Spec().name;
    GFN_CHECK(NumStates() <= kMaxListed && NumObjects() <= kMaxListed)
        << name << ": " << NumStates() << " states are too many to list";
    Found states, objects;
    State layer = Initial({Unconditional()});
    layer = states.Add(layer, Key(layer), at::ones({1}, at::kBool));
    while (layer.batch_size() > 0) {
      const at::Tensor choices_M2 = ForwardSupport(layer).Dense().nonzero();
      const State next = Step(layer.Gather(choices_M2.select(1, 0)), choices_M2.select(1, 1), at::Tensor());
      const at::Tensor keys_M = Key(next);
      objects.Add(next, keys_M, next.done_B());
      layer = states.Add(next, keys_M, next.done_B().logical_not());
    }
    GFN_CHECK_EQ(states.count, NumStates()) << name << ": states found, states declared";
    GFN_CHECK_EQ(objects.count, NumObjects()) << name << ": objects found, objects declared";
    listing_ = std::make_unique<const Listing>(Listing{Listing::Catalogue(states), Listing::Catalogue(objects)});
  });
  return *listing_;
}

State ListedEnvironment::StatesAt(const at::Tensor& index_B, ConditionId) const { return GetListing().states.At(index_B); }
State ListedEnvironment::ObjectsAt(const at::Tensor& index_B, ConditionId) const { return GetListing().objects.At(index_B); }
at::Tensor ListedEnvironment::StateIndex(const State& state) const { return GetListing().states.IndexOf(Key(state)); }
at::Tensor ListedEnvironment::ObjectIndex(const State& state) const { return GetListing().objects.IndexOf(Key(state)); }

}  // namespace gfn
