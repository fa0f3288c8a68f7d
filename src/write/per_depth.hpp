// What a trigger remembers from one row event to the next while one statement runs: one memory for each trigger depth,
// since a nested statement must not touch that of the enclosing one. A statement forgets what an earlier one of its
// depth has left behind.
#pragma once

#include "write/moved_row.hpp"

namespace sc {

// Memory begins with these; zeroed otherwise when a statement begins.
struct StatementMemory {
    CommandId command;             // of the statement; InvalidCommandId: nothing is remembered
    int nest_level;                // of the subtransaction that it runs in
};

template <typename Memory>
struct PerDepth {
    Memory *memories;              // in TopMemoryContext
    int depths;

    // nullptr if the statement in progress at that depth remembers nothing.
    Memory *find(int depth) const
    {
        return depth < depths && memories[depth].command == statement_command() ? &memories[depth] : nullptr;
    }

    // The same, made if it is new. forget(memory) frees what an earlier statement has left.
    template <typename Forget>
    Memory &make(int depth, Forget forget)
    {
        if (depth >= depths)
            grow(Max(depth + 1, 8));
        Memory &memory = memories[depth];
        if (memory.command != statement_command()) {
            reset(memory, forget);
            memory.command = statement_command();
        }
        memory.nest_level = GetCurrentTransactionNestLevel();
        return memory;
    }

    // Forgets what was remembered at that level of subtransactions or above; 0: everything.
    template <typename Forget>
    void abort(int level, Forget forget)
    {
        for (int depth = 0; depth < depths; depth++)
            if (memories[depth].command != InvalidCommandId && memories[depth].nest_level >= level)
                reset(memories[depth], forget);
    }

private:
    void grow(int count)
    {
        const Size size = sizeof(Memory) * count;
        memories = static_cast<Memory *>(memories == nullptr ? MemoryContextAlloc(TopMemoryContext, size)
                                                             : repalloc(memories, size));
        for (; depths < count; depths++) {
            memories[depths] = Memory{};
            memories[depths].command = InvalidCommandId;
        }
    }

    template <typename Forget>
    static void reset(Memory &memory, Forget forget)
    {
        forget(memory);
        memory = Memory{};
        memory.command = InvalidCommandId;
    }
};

}  // namespace sc
