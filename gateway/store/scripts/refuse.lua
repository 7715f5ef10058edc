-- journal.refuse
-- Keep whoever asked for an order before now from recording it, but for the owner itself.
-- KEYS: the record, the refusal. ARGV: the owner, and for how long (ms).
-- Answers with the record ('': none).
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('SET', KEYS[2], string.format('%.0f:%s', now, ARGV[1]), 'PX', ARGV[2])
return redis.call('MGET', KEYS[1])[1] or ''
