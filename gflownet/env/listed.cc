#include "gflownet/env/listed.h"

#include <unordered_set>
#include <utility>

#include "gflownet/base/check.h"
#include "gflownet/base/digest.h"

namespace gfn {
namespace {

// Rows with their keys, a part for every layer.
struct Found {
  std::vector<State> parts;
  std::vector<at::Tensor> keys;
  std::unordered_set<int64_t> distinct;
  int64_t count = 0;  // over all layers

  // The rows of one layer where `chosen_B`, once each, in the order of their keys. Returns them.
  State Add(const State& layer, const at::Tensor& keys_B, const at::Tensor& chosen_B) {
    const at::Tensor rows_M = chosen_B.nonzero().squeeze(1);
    const auto [sorted_M, order_M] = keys_B.index_select(0, rows_M).sort(/*stable=*/true, /*dim=*/0, /*descending=*/false);
    at::Tensor is_first_M = at::ones_like(sorted_M, at::kBool);
    if (sorted_M.numel() > 1) is_first_M.slice(0, 1).copy_(sorted_M.slice(0, 1).ne(sorted_M.slice(0, 0, -1)));
    const at::Tensor first_F = is_first_M.nonzero().squeeze(1);
    State rows = layer.Gather(rows_M.index_select(0, order_M.index_select(0, first_F)));
    if (first_F.numel() == 0) return rows;
    const at::Tensor keys_F = sorted_M.index_select(0, first_F).contiguous();
    parts.push_back(rows);
    keys.push_back(keys_F);
    distinct.insert(keys_F.const_data_ptr<int64_t>(), keys_F.const_data_ptr<int64_t>() + keys_F.numel());
    count += keys_F.numel();
    return rows;
  }

  // What is reached by ways of different lengths stands in several layers: it stays in the last one.
  void KeepLast() {
    if (count == static_cast<int64_t>(distinct.size())) return;
    std::unordered_set<int64_t> taken;
    for (size_t i = parts.size(); i-- > 0;) {
      std::vector<int64_t> kept;
      for (int64_t row = 0; row < keys[i].numel(); ++row) {
        if (taken.insert(keys[i].const_data_ptr<int64_t>()[row]).second) kept.push_back(row);
      }
      const at::Tensor kept_K = at::tensor(kept, at::kLong);
      parts[i] = parts[i].Gather(kept_K);
      keys[i] = keys[i].index_select(0, kept_K);
    }
    count = static_cast<int64_t>(taken.size());
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
    int64_t size() const { return numbers_N_.numel(); }
    State At(const at::Tensor& index_B) const { return items_.Gather(index_B); }
    // Rows with a key that is not here get any number.
    at::Tensor IndexOf(const at::Tensor& keys_B) const {
      return numbers_N_.index_select(0, at::searchsorted(sorted_keys_N_, keys_B).clamp_max(numbers_N_.numel() - 1));
    }

   private:
    State items_;
    at::Tensor sorted_keys_N_, numbers_N_;
  };
  Status status = OkStatus();
  std::optional<Catalogue> states{}, objects{};  // where the status is OK
};

ListedEnvironment::ListedEnvironment() = default;
ListedEnvironment::~ListedEnvironment() = default;

at::Tensor ListedEnvironment::Key(const State& state) const {
  std::vector<int64_t> keys;
  for (const std::string& row : state.RowKeys()) keys.push_back(static_cast<int64_t>(HashText(row)));
  return at::tensor(keys, at::kLong);
}

std::unique_ptr<const ListedEnvironment::Listing> ListedEnvironment::Walk(int64_t max_steps) const {
  const at::NoGradGuard no_grad;
  const EnvironmentSpec& spec = Spec();
  const auto failed = [&](const Status& status) { return std::make_unique<const Listing>(Listing{.status = status}); };
  Found states, objects;
  State layer = Initial({Unconditional()});
  layer = states.Add(layer, Key(layer), layer.done_B().logical_not());
  for (int64_t depth = 0; layer.batch_size() > 0; ++depth) {
    // A way that has visited more states than there are has visited one of them twice.
    if (depth >= spec.max_steps || depth > static_cast<int64_t>(states.distinct.size())) {
      return failed(FailedPrecondition(spec.name + ": after " + std::to_string(depth) + " actions " + Format(layer, 0) +
                                       " is not finished; max_steps is " + std::to_string(spec.max_steps) +
                                       " (too small, or there is a cycle)"));
    }
    const at::Tensor legal_MA = ForwardSupport(layer).Dense(), choices_M2 = legal_MA.nonzero();
    if (const at::Tensor stuck_M = legal_MA.any(1).logical_not().nonzero().squeeze(1); stuck_M.numel() > 0) {
      return failed(FailedPrecondition(spec.name + ": " + Format(layer, stuck_M[0].item<int64_t>()) +
                                       " is not finished, but allows no action"));
    }
    const State next = Step(layer.Gather(choices_M2.select(1, 0)), choices_M2.select(1, 1), at::Tensor());
    const at::Tensor keys_M = Key(next);
    objects.Add(next, keys_M, next.done_B());
    layer = states.Add(next, keys_M, next.done_B().logical_not());
    if (static_cast<int64_t>(states.distinct.size()) * spec.num_actions + static_cast<int64_t>(objects.distinct.size()) >
        max_steps) {
      return failed(ResourceExhausted(spec.name + ": " + std::to_string(states.distinct.size()) + " states were found in " +
                                      std::to_string(depth + 1) + " actions, too many to list"));
    }
  }
  if (objects.count == 0) return failed(FailedPrecondition(spec.name + ": nothing is finished by any way"));
  states.KeepLast();
  objects.KeepLast();
  Listing listing;
  listing.states.emplace(states);
  listing.objects.emplace(objects);
  return std::make_unique<const Listing>(std::move(listing));
}

const ListedEnvironment::Listing& ListedEnvironment::Walked() const {
  std::call_once(walked_once_, [this] {
    listing_ = Walk(kMaxWalked);
    is_walked_ = true;
  });
  return *listing_;
}

int64_t ListedEnvironment::NumStates() const {
  const Listing& listing = Walked();
  return listing.states.has_value() ? listing.states->size() : kTooManyStates;
}

int64_t ListedEnvironment::NumObjects() const {
  const Listing& listing = Walked();
  return listing.objects.has_value() ? listing.objects->size() : kTooManyStates;
}

Status ListedEnvironment::ListingStatus() const {
  NumStates();
  NumObjects();
  return is_walked_ ? listing_->status : OkStatus();
}

const ListedEnvironment::Listing& ListedEnvironment::GetListing() const {
  std::call_once(once_, [this] {
    const std::string& name = Spec().name;
    const int64_t num_states = NumStates(), num_objects = NumObjects();
    if (!is_walked_) {
      GFN_CHECK(num_states <= kMaxListed && num_objects <= kMaxListed)
          << name << ": " << num_states << " states are too many to list";
      listing_ = Walk(INT64_MAX);
    }
    GFN_CHECK(listing_->status.ok()) << Message(listing_->status);
    GFN_CHECK_EQ(listing_->states->size(), num_states) << name << ": states found, states declared";
    GFN_CHECK_EQ(listing_->objects->size(), num_objects) << name << ": objects found, objects declared";
  });
  return *listing_;
}

State ListedEnvironment::StatesAt(const at::Tensor& index_B, ConditionId) const { return GetListing().states->At(index_B); }
State ListedEnvironment::ObjectsAt(const at::Tensor& index_B, ConditionId) const { return GetListing().objects->At(index_B); }
at::Tensor ListedEnvironment::StateIndex(const State& state) const { return GetListing().states->IndexOf(Key(state)); }
at::Tensor ListedEnvironment::ObjectIndex(const State& state) const { return GetListing().objects->IndexOf(Key(state)); }

}  // namespace gfn
