// An array that grows in a memory context.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

// An array that grows in a memory context; no destructor.
template <typename T>
struct Growing {
    T *items;
    size_t count;
    size_t capacity;

    T &add(MemoryContext context, const T &item)
    {
        static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);
        if (count == capacity) {
            capacity = Max(size_t{64}, 2 * capacity);
            items = static_cast<T *>(items == nullptr ? MemoryContextAllocHuge(context, sizeof(T) * capacity)
                                                      : repalloc_huge(items, sizeof(T) * capacity));
        }
        return items[count++] = item;
    }
    std::span<T> all() const { return std::span<T>(items, count); }
};

}  // namespace sc
