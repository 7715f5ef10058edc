-- journal.look
-- KEYS: the record, the guard, what is unresolved. ARGV: the terms.
-- Answers with the record ('': none), the lane's count, what hinders (rules.lua), {generation, begun},
-- and now.
local terms = cjson.decode(ARGV[1])
local standing = redis.call('MGET', KEYS[1])[1] or ''
local lane = redis.call('HGET', KEYS[2], 'lane:' .. terms.lane) or '0'
return {standing, lane, hindrance(KEYS[2], KEYS[3], terms) or {}, standing_of(KEYS[2]), now_ms()}
