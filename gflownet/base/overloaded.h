// std::visit(Overloaded{[](int) {...}, [](const Text&) {...}}, variant)
#pragma once

namespace gfn {

template <class... Fs>
struct Overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
Overloaded(Fs...) -> Overloaded<Fs...>;

}  // namespace gfn
