// An ordered map that is copied in constant time: copies share their nodes, and a change makes new
// ones only on the path to it (log n), or none while no copy shares them.
//
// Thread safety: as a value. Different copies may be read, changed and destroyed by different
// threads at the same time. Iterators and pointers to elements are valid until their own map is
// changed or destroyed.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <utility>

namespace blkrewind {

template <class Key, class Value>
class PersistentMap {
  // A balanced tree (AVL): the heights of two siblings differ by one at most.
  struct Node;
  class Link {  // an owner of a node, or null
   public:
    Link() = default;
    explicit Link(Node* node) : node_(node) {}
    Link(const Link& other) : node_(other.node_) {
      if (node_ != nullptr) node_->owners.fetch_add(1, std::memory_order_relaxed);
    }
    Link(Link&& other) noexcept : node_(std::exchange(other.node_, nullptr)) {}
    Link& operator=(Link other) noexcept {
      std::swap(node_, other.node_);
      return *this;
    }
    ~Link() {
      if (node_ != nullptr && node_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
        delete node_;
      }
    }
    explicit operator bool() const { return node_ != nullptr; }
    const Node* get() const { return node_; }
    const Node* operator->() const { return node_; }

    // The node, to be changed: a copy of it, unless this is its only owner.
    Node* own() {
      if (node_->owners.load(std::memory_order_acquire) != 1) *this = Link(new Node(*node_));
      return node_;
    }

   private:
    Node* node_ = nullptr;
  };
  struct Node {
    Node(Key key, Value value) : item(std::move(key), std::move(value)) {}
    Node(const Node& other)
        : item(other.item), left(other.left), right(other.right), height(other.height) {}
    Node& operator=(const Node&) = delete;

    std::pair<Key, Value> item;
    Link left;
    Link right;
    std::atomic<std::uint32_t> owners{1};
    std::uint8_t height = 1;
  };
  // Of a tree of 2^32 nodes.
  static constexpr std::size_t kHeightMax = 48;

 public:
  using value_type = std::pair<Key, Value>;

  template <bool kBackwards>
  class Walk {
   public:
    using iterator_concept = std::forward_iterator_tag;
    using iterator_category = std::forward_iterator_tag;
    using value_type = PersistentMap::value_type;
    using difference_type = std::ptrdiff_t;
    using reference = const value_type&;
    using pointer = const value_type*;

    Walk() = default;
    reference operator*() const { return top()->item; }
    pointer operator->() const { return &top()->item; }
    Walk& operator++() {
      const Node* done = top();
      --depth_;
      push_all(after(done));
      return *this;
    }
    Walk operator++(int) {
      Walk before = *this;
      ++*this;
      return before;
    }
    friend bool operator==(const Walk& a, const Walk& b) { return a.top() == b.top(); }

   private:
    friend class PersistentMap;
    static const Node* before(const Node* node) {
      return (kBackwards ? node->right : node->left).get();
    }
    static const Node* after(const Node* node) {
      return (kBackwards ? node->left : node->right).get();
    }
    [[nodiscard]] const Node* top() const { return depth_ == 0 ? nullptr : path_[depth_ - 1]; }
    void push(const Node* node) { path_[depth_++] = node; }
    void push_all(const Node* node) {
      for (; node != nullptr; node = before(node)) push(node);
    }

    // The element, below it those whose turn comes after what hangs from the one above.
    std::array<const Node*, kHeightMax> path_;
    std::size_t depth_ = 0;
  };
  using const_iterator = Walk<false>;
  using iterator = const_iterator;

  PersistentMap() = default;
  PersistentMap(std::initializer_list<value_type> elements) {
    for (const value_type& element : elements) put(element.first, element.second);
  }

  [[nodiscard]] const_iterator begin() const { return first<false>(); }
  [[nodiscard]] const_iterator end() const { return {}; }
  [[nodiscard]] Walk<true> rbegin() const { return first<true>(); }
  [[nodiscard]] Walk<true> rend() const { return {}; }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

  // Null: there is none.
  [[nodiscard]] const Value* get(const Key& key) const {
    const Node* node = root_.get();
    while (node != nullptr && node->item.first != key) {
      node = (key < node->item.first ? node->left : node->right).get();
    }
    return node == nullptr ? nullptr : &node->item.second;
  }
  [[nodiscard]] bool contains(const Key& key) const { return get(key) != nullptr; }
  // The first element whose key is not less.
  [[nodiscard]] const_iterator lower_bound(const Key& key) const {
    const_iterator found;
    for (const Node* node = root_.get(); node != nullptr;) {
      const bool less = node->item.first < key;
      if (!less) found.push(node);
      node = (less ? node->right : node->left).get();
    }
    return found;
  }
  [[nodiscard]] const_iterator find(const Key& key) const {
    const const_iterator found = lower_bound(key);
    return found == end() || key < found->first ? end() : found;
  }

  // Inserts or replaces.
  void put(Key key, Value value) { put(root_, std::move(key), std::move(value)); }
  // Whether there was one.
  bool erase(const Key& key) {
    if (!contains(key)) return false;
    erase(root_, key);
    --size_;
    return true;
  }

  friend bool operator==(const PersistentMap& a, const PersistentMap& b) {
    return a.size_ == b.size_ &&
           (a.root_.get() == b.root_.get() || std::equal(a.begin(), a.end(), b.begin()));
  }

 private:
  template <bool kBackwards>
  Walk<kBackwards> first() const {
    Walk<kBackwards> walk;
    walk.push_all(root_.get());
    return walk;
  }

  static int height_of(const Link& link) { return link ? link->height : 0; }
  static void measure(Node* node) {
    node->height =
        static_cast<std::uint8_t>(1 + std::max(height_of(node->left), height_of(node->right)));
  }

  // `at` goes down to one side, and its child on the other side takes its place.
  static void rotate(Link& at, Link Node::*down, Link Node::*up) {
    Link child = std::move(at.own()->*up);
    at.own()->*up = std::move(child.own()->*down);
    measure(at.own());
    child.own()->*down = std::move(at);
    at = std::move(child);
    measure(at.own());
  }
  static void balance(Link& at) {
    Node* node = at.own();
    const int lean = height_of(node->left) - height_of(node->right);
    if (lean > 1) {
      if (height_of(node->left->left) < height_of(node->left->right)) {
        rotate(node->left, &Node::left, &Node::right);
      }
      rotate(at, &Node::right, &Node::left);
    } else if (lean < -1) {
      if (height_of(node->right->right) < height_of(node->right->left)) {
        rotate(node->right, &Node::right, &Node::left);
      }
      rotate(at, &Node::left, &Node::right);
    } else {
      measure(node);
    }
  }

  void put(Link& at, Key&& key, Value&& value) {
    if (!at) {
      at = Link(new Node(std::move(key), std::move(value)));
      ++size_;
      return;
    }
    Node* node = at.own();
    if (key < node->item.first) {
      put(node->left, std::move(key), std::move(value));
    } else if (node->item.first < key) {
      put(node->right, std::move(key), std::move(value));
    } else {
      node->item.second = std::move(value);
      return;
    }
    balance(at);
  }

  // It is there.
  static void erase(Link& at, const Key& key) {
    Node* node = at.own();
    if (key < node->item.first) {
      erase(node->left, key);
    } else if (node->item.first < key) {
      erase(node->right, key);
    } else if (!node->left || !node->right) {
      Link rest = std::move(node->left ? node->left : node->right);
      at = std::move(rest);
      return;
    } else {
      const Node* next = node->right.get();
      while (next->left) next = next->left.get();
      node->item = next->item;
      // Not `key`, which may be that of the node that was just overwritten.
      const Key moved = node->item.first;
      erase(node->right, moved);
    }
    balance(at);
  }

  Link root_;
  std::size_t size_ = 0;
};

}  // namespace blkrewind
