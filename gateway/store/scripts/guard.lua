-- journal.guard
-- KEYS: the guard. ARGV: the terms.
-- Answers with why the account is quarantined ('': it is not), and {generation, begun}.
local why = loss(KEYS[1], cjson.decode(ARGV[1]))
return {why or '', standing_of(KEYS[1])}
