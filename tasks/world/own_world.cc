#include "tasks/world/own_world.h"

#include <sstream>

#include "gflownet/base/check.h"
#include "gflownet/core/checked_environment.h"
#include "gflownet/env/conformance.h"
#include "gflownet/env/state_graph.h"
#include "gflownet/tensor/exceptions.h"
#include "tasks/world/world.h"

namespace gfn {
namespace {

OwnWorldKind& Offered() {
  static OwnWorldKind kind;
  return kind;
}

// What a network reads, looked at before it does.
StateFeatures CheckFeatures(StateFeatures features, int64_t num_features) {
  if (features.fast_face() != nullptr) return features;
  return StateFeatures([features = std::move(features), num_features](const State& state) {
    at::Tensor values = features(state);
    if (!values.defined() || !values.is_floating_point() || values.sizes() != at::IntArrayRef{state.batch_size(), num_features}) {
      std::ostringstream text;
      text << "features: expected real numbers [" << state.batch_size() << ", " << num_features << "], found ";
      values.defined() ? text << values.scalar_type() << " " << values.sizes() : text << "nothing";
      throw ContractError(text.str());
    }
    return values;
  });
}

}  // namespace

StatusOr<std::unique_ptr<World>> ToWorld(RewardedWorld rewarded) {
  auto world = std::make_unique<World>();
  RETURN_IF_ERROR(world->conditions.Insert("").status());
  const Status listable =
      rewarded.enumerable() != nullptr ? CheckListable(*rewarded.enumerable()) : Unimplemented("its objects cannot be listed");
  if (listable.ok()) {
    world->enumerable = rewarded.enumerable();
    world->facts = {{"states", std::to_string(world->enumerable->NumStates())},
                    {"objects", std::to_string(world->enumerable->NumObjects())}};
  } else if (listable.code() == absl::StatusCode::kFailedPrecondition) {
    return listable;
  } else {
    world->not_enumerable = Message(listable);
  }
  world->features = std::move(rewarded.features);
  world->num_features = rewarded.num_features;
  world->wraps = rewarded.wraps;
  world->reward = std::move(rewarded.reward);
  world->environment = std::move(rewarded.environment);
  return world;
}

StatusOr<std::unique_ptr<World>> ToOwnWorld(RewardedWorld rewarded) {
  if (rewarded.environment == nullptr || rewarded.reward == nullptr || !rewarded.features || rewarded.num_features < 1)
    return FailedPrecondition("a RewardedWorld has an environment, a reward, features and their number");
  const std::string name = rewarded.environment->Spec().name;
  rewarded.features = CheckFeatures(std::move(rewarded.features), rewarded.num_features);
  rewarded.environment = CheckAnswers(std::move(rewarded.environment));
  ASSIGN_OR_RETURN(auto world, ToWorld(std::move(rewarded)));
  world->contract = [w = world.get()] { return CheckWorld(*w->environment, *w->reward, w->features, w->num_features); };
  return world;
}

void OfferOwnWorld(OwnWorldKind kind) {
  GFN_CHECK(OwnWorld::kKind.empty()) << "a program offers one kind of world, and '" << OwnWorld::kKind << "' is offered already";
  GFN_CHECK(!kind.kind.empty()) << "a kind of world has a name";
  OwnWorld::kKind = kind.kind;
  Offered() = std::move(kind);
}

std::string OwnWorld::kKind;
OwnWorld::OwnWorld() : config_(Offered().defaults == nullptr ? nullptr : Offered().defaults->Clone()) {}
OwnWorld::OwnWorld(const OwnWorld& other) : config_(other.config_ == nullptr ? nullptr : other.config_->Clone()) {}
OwnWorld& OwnWorld::operator=(const OwnWorld& other) {
  config_ = other.config_ == nullptr ? nullptr : other.config_->Clone();
  return *this;
}
OwnWorld::~OwnWorld() = default;

void OwnWorld::Visit(ConfigFieldCollector& v) {
  if (config_ != nullptr) config_->Visit(v);
}
void OwnWorld::Validate(ConfigErrors& errors) const {
  if (config_ != nullptr) config_->Validate(errors);
}
StatusOr<std::unique_ptr<World>> OwnWorld::Make() const {
  GFN_CHECK(config_ != nullptr) << "no kind of world is offered";
  return CatchExceptions("the world " + kKind, [this] { return config_->Make(); });
}

StatusOr<std::unique_ptr<World>> MakeWorld(const OwnWorld& config) { return config.Make(); }

}  // namespace gfn
