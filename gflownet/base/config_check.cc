// What is checked once all values are there, and the entry points of reading.
#include <cmath>

#include "gflownet/base/config_loader.h"
#include "gflownet/base/config_reader.h"
#include "gflownet/base/overloaded.h"
#include "gflownet/base/text_util.h"

namespace gfn {

void ConfigLoader::CheckSlot(const ConfigSlot& slot, const ConfigRules& rules, const std::string& path, bool with_required) {
  const auto mistake = [&](const std::string& message) { errors_.AddAt(errors_.OriginOf(path), path, message); };
  const auto check_number = [&](double value, const std::string& shown) {
    if (!std::isfinite(value)) {
      mistake("must be finite, found " + shown);
    } else if (!rules.Contains(value)) {
      mistake("must be " + rules.RangeText() + ", found " + shown);
    }
  };
  std::visit(Overloaded{
                 [&](const IntSlot& s) { check_number(static_cast<double>(s.get()), std::to_string(s.get())); },
                 [&](const RealSlot& s) { check_number(*s.value, FormatReal(*s.value)); },
                 [&](const StringSlot& s) {
                   if (rules.non_empty && s.value->empty()) mistake("must not be empty");
                 },
                 [&](const StructSlot& s) { CheckStruct(s, path, with_required); },
                 [&](const ListSlot& s) {
                   if (rules.non_empty && s.size() == 0) mistake("must have at least one item");
                   for (size_t i = 0; i < s.size(); ++i) {
                     CheckSlot(s.at(i), rules, JoinConfigPath(path, std::to_string(i)), with_required);
                   }
                 },
                 [&](const OptionalSlot& s) {
                   if (s.has_value()) CheckSlot(s.get(), rules, path, with_required);
                 },
                 [&](const ChoiceSlot& s) { CheckSlot(s.get(), {}, path, with_required); },
                 [](const auto&) {},  // a bool and an enum are right once they are read
             },
             slot.value);
}

void ConfigLoader::CheckStruct(const StructSlot& slot, const std::string& path, bool with_required) {
  for (const ConfigField& field : slot.fields()) {
    const std::string child = JoinConfigPath(path, field.name);
    if (with_required && field.rules.required && !errors_.WasGiven(child)) {
      const ConfigOrigin origin = errors_.OriginOf(path);
      errors_.AddAt(origin, child,
                    "missing required key '" + std::string(field.name) + "': " + std::string(field.help) + ReplacedHint(origin));
    } else {
      CheckSlot(field.slot, field.rules, child, with_required);
    }
  }
  // Rules across fields mean something only where every field is right by itself.
  if (errors_.HasMistakeWithin(path)) return;
  errors_.prefix_ = path;
  slot.validate(errors_);
}

Status LoadConfig(const ConfigSlot& root, std::string_view text, const std::string& name,
                  const std::vector<std::string>& overrides) {
  ASSIGN_OR_RETURN(YamlNode document, ParseYaml(text, name));
  const std::vector<std::string> left = RemoveReplaced(overrides, document);
  ConfigLoader loader(root, name);
  loader.ReadDocument(document);
  for (const std::string& override_text : left) loader.Override(override_text);
  loader.Check(/*with_required=*/true);
  return loader.status();
}

Status CheckConfigSlot(const ConfigSlot& root, const std::string& name) {
  ConfigLoader loader(root, name);
  loader.Check(/*with_required=*/false);
  return loader.status();
}

}  // namespace gfn
