-- journal.drop
-- Forget a placement and all ways to it, unless its record has changed.
--
-- KEYS: the record, the pointer from the placement's id, the principal's index, what has ended, what
-- was given up, the pointer from the order.
-- ARGV: the record as it was read, and its position.
--
-- Answers with 1, or with 0 when another record stands by now.
local record, id, index, ended, given_up, order = unpack(KEYS)
if redis.call('MGET', record)[1] ~= ARGV[1] then return 0 end
redis.call('DEL', record, id)
if redis.call('MGET', order)[1] == record then redis.call('DEL', order) end
redis.call('ZREM', index, ARGV[2])
redis.call('ZREM', ended, record)
redis.call('ZREM', given_up, record)
return 1
