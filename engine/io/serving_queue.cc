#include "io/serving_queue.h"

#include <algorithm>
#include <utility>

#include "io/env.h"

namespace blkrewind::io {
namespace {

class ServingQueue final : public Queue {
 public:
  explicit ServingQueue(std::unique_ptr<Queue> inner) : inner_(std::move(inner)) {}

  Status submit(std::span<const Request> requests) override {
    for (const Request& request : requests) {
      if (auto* file = dynamic_cast<ServedFile*>(request.file); file != nullptr) {
        done_.push_back(file->serve(request));
      } else {
        BLKREWIND_TRY(inner_->submit({&request, 1}));
      }
    }
    return {};
  }
  Result<std::size_t> wait(std::size_t min, std::vector<Completion>& out) override {
    const std::size_t own = done_.size();
    out.insert(out.end(), done_.begin(), done_.end());
    done_.clear();
    BLKREWIND_ASSIGN(const std::size_t others, inner_->wait(min - std::min(min, own), out));
    return own + others;
  }
  std::size_t in_flight() const override { return done_.size() + inner_->in_flight(); }
  std::size_t depth() const override { return inner_->depth(); }
  std::span<const Slot> slots() const override { return inner_->slots(); }

 private:
  const std::unique_ptr<Queue> inner_;
  std::vector<Completion> done_;
};

}  // namespace

std::unique_ptr<Queue> make_serving_queue(std::unique_ptr<Queue> inner) {
  return std::make_unique<ServingQueue>(std::move(inner));
}

}  // namespace blkrewind::io
