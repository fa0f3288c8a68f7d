// Asks the shards of a table, by the functions that Citus has for that. Each shard answers on a connection of its own,
// as the current user, in a transaction and a snapshot of its own: it sees what is committed. Knows nothing of what is
// asked; nothing of Citus is needed to build this.
#pragma once

#include "server/postgres_api.hpp"

namespace sc {

struct ShardAnswer {
    const char *shard;         // its number
    bool answered;
    const char *text;          // what it said, "" for NULL; or why it did not answer
};
static_assert(Pod<ShardAnswer>);

// For what stands in such a command.
const char *doubled_percents(const char *text);

// Puts one command, in which %1$s stands for the shard's name and %% for a percent sign, to all shards of the table at
// once; of a table that is on every node, to each copy. It returns one value at most.
std::span<const ShardAnswer> ask_shards(Oid table, const char *command);

// The same as an array of jsonb, with one answer of copies that agree; 55000 where one did not answer.
Datum require_answers(Oid table, const char *command, const char *function);

// The shards, each a command with its name in it, and the node that it is on.
struct ShardCommand {
    const char *shard;
    const char *node;
    int32 port;
    const char *text;
};
static_assert(Pod<ShardCommand>);

std::span<const ShardCommand> commands_for_shards(Oid table, const char *command);

// Runs some commands at once, each outside any transaction, so that it may commit as it goes. An error where one fails.
void run_commands(std::span<const ShardCommand> commands, const char *function);

}  // namespace sc
